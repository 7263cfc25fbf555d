/* Only in SANITIZE builds: leaks are looked for by tests (a process that is about to execve has nothing to free). */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0:abort_on_error=1"; }
