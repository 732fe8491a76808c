/* Functions that have no safe use here become compile errors. Included by base/err.h, hence by
 * every file of the project. Layer: base. */
#ifndef CUPEL_BASE_BANNED_H
#define CUPEL_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok system popen
#pragma GCC poison tmpnam mktemp tempnam usleep atoi atol atoll asctime ctime

#endif
