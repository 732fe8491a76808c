/* Stands where a hypervisor, its file server or a proxy would, under whatever name it is copied to:
 * a process that executes a file of that name, takes any arguments, and does nothing until it is
 * killed. */
#include <unistd.h>

int main(void)
{
    for (;;)
        pause();
}
