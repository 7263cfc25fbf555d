#include "init.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "execute.h"

static _Noreturn void become_program(char **arguments, const sigset_t *mask)
{
	struct failure failure = { 0 };
	setpgid(0, 0);
	/* The signals that a terminal makes are for the program alone: without a terminal there is nothing to take. */
	(void)tcsetpgrp(STDIN_FILENO, getpid());
	sigprocmask(SIG_SETMASK, mask, NULL);
	execute_program(arguments, environ, &failure);
	_exit(send(INIT_STATUS, &failure, sizeof failure, MSG_NOSIGNAL) < 0 ? 126 : 127);
}

static void reap(pid_t program)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == program)
			_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

int init_run(char **arguments)
{
	sigset_t all, before;
	struct failure failure = { 0 };
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	prctl(PR_SET_NAME, INIT_NAME);
	/* Where it is not process 1 (pids shared or the node's) orphans still come to it. A filter may say no: so be it. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	fcntl(INIT_STATUS, F_SETFD, FD_CLOEXEC);
	pid_t program = fork();
	if (program == 0)
		become_program(arguments, &before);
	if (program < 0) {
		fail(&failure, "fork program", NULL);
		return send(INIT_STATUS, &failure, sizeof failure, MSG_NOSIGNAL) < 0 ? 126 : 127;
	}
	/* The container's output ends with its programs, not with us. */
	if (close_range(0, ~0U, 0))
		return 126;
	for (;;) {
		int signal = sigwaitinfo(&all, NULL);
		if (signal == SIGCHLD)
			reap(program);
		else if (signal > 0)
			kill(program, signal);
	}
}
