/*
 * Compiled into the programs' own sources for fuzzing, by -include: every call with an effect goes to a double in
 * effects.c, which does nothing, and succeeds or fails as the input says.
 */
#pragma once

#define syscall fuzz_syscall
#define open fuzz_open
#define openat fuzz_openat
#define close fuzz_close
#define read fuzz_read
#define write fuzz_write
#define mount fuzz_mount
#define mkdir fuzz_mkdir
#define rmdir fuzz_rmdir
#define mkdirat fuzz_mkdirat
#define mknodat fuzz_mknodat
#define fchmodat fuzz_fchmodat
#define symlinkat fuzz_symlinkat
#define opendir fuzz_opendir
#define fopen fuzz_fopen
#define kill fuzz_kill
#define nanosleep fuzz_nanosleep
#define prctl fuzz_prctl
#define setgroups fuzz_setgroups
#define setresuid fuzz_setresuid
#define setresgid fuzz_setresgid
#define setrlimit fuzz_setrlimit
#define execve fuzz_execve
#define strndup fuzz_strndup
#ifndef OUTCOME
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#endif
/* With arguments: there are structs of these names too. */
#define stat(path, about) fuzz_stat(path, about)
#define fstat(fd, about) fuzz_fstat(fd, about)
