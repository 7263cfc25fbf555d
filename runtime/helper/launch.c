#include "launch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "descriptors.h"
#include "execute.h"
#include "identity.h"
#include "kernel.h"
#include "listen.h"
#include "mounts.h"
#include "pty.h"

static struct tlv payload_of(const struct spawn *spawn)
{
	if (spawn->exec)
		return (struct tlv){ .value = spawn->exec, .length = (uint32_t)spawn->exec_length };
	return (struct tlv){ .value = spawn->container, .length = (uint32_t)spawn->container_length };
}

bool launch_is_wanted(const struct spawn *spawn)
{
	struct tlv payload = payload_of(spawn), command;
	return tlv_find(payload.value, payload.length, TAG_COMMAND, &command);
}

static int take_stdio(const struct spawn *spawn, struct failure *failure)
{
	for (int i = 0; i < 3; i++) {
		int from = spawn->tty ? -1 : spawn->stdio[i];
		if (from < 0)
			from = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (from < 0 || dup2(from, i) < 0)
			return fail(failure, "set stdio", "/dev/null");
	}
	return 0;
}

/* What the programs shall find mounted. */
static int stage(const struct tlv *container, struct failure *failure)
{
	int root = mounts_build(container->value, container->length, failure);
	int node = root < 0 ? -1 : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (node < 0)
		return root < 0 ? -1 : fail(failure, "open root", NULL);
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(container->value, container->length, &offset, &item) == 1)
		if (item.tag == TAG_STAGE && mounts_attach(node, &item, failure))
			return -1;
	close(root);
	close(node);
	return 0;
}

static int run(const struct tlv *command, struct failure *failure)
{
	struct spawn program = { .container = command->value, .container_length = command->length };
	char name[sizeof failure->detail] = "", how[sizeof failure->detail];
	int status = 0;
	tlv_text(command->value, command->length, TAG_ARG, name, sizeof name);
	pid_t pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
			execute(&program, -1, failure);
		_exit(127);
	}
	if (pid < 0)
		return fail(failure, "run program", name);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(failure, "run program", name);
	if (status == 0)
		return 0;
	snprintf(how, sizeof how, WIFSIGNALED(status) ? "signal %d" : "exit status %d",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return fail_with(failure, ECHILD, "run program", how);
}

/* The terminal that a program has made and left in the socket's queue. */
static int take_terminal(int listener, struct failure *failure)
{
	char name[PATH_MAX];
	int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC), master = -1;
	if (connection < 0 || descriptors_receive(connection, &master, 1, name, sizeof name, MSG_DONTWAIT) < 0)
		return fail(failure, "take terminal", NULL);
	if (master < 0)
		return fail_with(failure, EPROTO, "take terminal", "no descriptor came");
	return master;
}

/* What a program left behind is our child: it names it in a file. Taken also when it is over already. */
static int find_process(const struct tlv *payload, pid_t *pid, struct failure *failure)
{
	char path[PATH_MAX], text[16] = "";
	if (tlv_text(payload->value, payload->length, TAG_PID_FILE, path, sizeof path))
		return fail_with(failure, EINVAL, "find process", "no file named");
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		return fail(failure, "find process", path);
	close(fd);
	siginfo_t child = { 0 };
	*pid = (pid_t)atoi(text);
	if (*pid <= 1 || waitid(P_PID, (id_t)*pid, &child, WEXITED | WNOHANG | WNOWAIT))
		return fail_with(failure, ECHILD, "find process", "it is no child of the program's");
	int pidfd = (int)syscall(SYS_pidfd_open, *pid, 0);
	return pidfd < 0 ? fail(failure, "find process", text) : pidfd;
}

static int report(const struct tlv *payload, int listener, int status, struct failure *failure)
{
	pid_t pid = 0;
	int terminal = -1, process = find_process(payload, &pid, failure);
	if (process < 0)
		return -1;
	if (listener >= 0 && (terminal = take_terminal(listener, failure)) < 0)
		return -1;
	unsigned columns = (unsigned)tlv_number(payload->value, payload->length, TAG_COLUMNS, 0);
	if (terminal >= 0 && columns)
		pty_resize(terminal, columns, (unsigned)tlv_number(payload->value, payload->length, TAG_ROWS, 0));
	if (terminal >= 0 && spawn_send(status, terminal, 0, failure))
		return -1;
	return spawn_send(status, process, pid, failure);
}

int launch(const struct spawn *spawn, int status, struct failure *failure)
{
	struct tlv payload = payload_of(spawn), cgroup, item;
	struct tlv container = { .value = spawn->container, .length = (uint32_t)spawn->container_length };
	char directory[PATH_MAX], console[NAME_MAX];
	int bundle, listener = -1;
	/* A process that the programs leave behind is ours to look at, and goes to the monitor when we end. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_CHILD_SUBREAPER, 1))
		return fail(failure, "prepare", NULL);
	if (!tlv_find(container.value, container.length, TAG_CGROUP, &cgroup) ||
	    tlv_text(container.value, container.length, TAG_CWD, directory, sizeof directory))
		return fail_with(failure, EINVAL, "prepare", "no group or directory given");
	/* The score is for those that an exec does not give the container's (crun). */
	if (cgroup_attach(&cgroup, failure) || identity_limits(container.value, container.length, failure) || take_stdio(spawn, failure))
		return -1;
	if ((status > 3 && syscall(SYS_close_range, 3, status - 1, 0)) || syscall(SYS_close_range, status + 1, ~0U, 0))
		return fail(failure, "close descriptors", NULL);
	if (!spawn->exec && stage(&container, failure))
		return -1;
	bundle = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (bundle < 0 || fchdir(bundle))
		return fail(failure, "enter bundle", directory);
	if (spawn->tty && tlv_text(payload.value, payload.length, TAG_CONSOLE, console, sizeof console))
		return fail(failure, "console socket", NULL);
	if (spawn->tty && (listener = listen_in(bundle, console, failure)) < 0)
		return -1;
	for (size_t offset = 0; tlv_next(payload.value, payload.length, &offset, &item) == 1;)
		if (item.tag == TAG_COMMAND && run(&item, failure))
			return -1;
	if (report(&payload, listener, status, failure))
		return -1;
	_exit(0);
}
