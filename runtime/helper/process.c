#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover.h"
#include "launch.h"

#define CHUNK 16384

/* HANDOVER_FLAGS */
#define WANTS_INPUT 1
#define ENTERED 2
#define REAPED 4
#define PAUSED 8

static struct process *all;
static char chunk[CHUNK];

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_output(struct pump *pump)
{
	if (pump->source.fd < 0)
		return;
	if (pump->source.added)
		loop_watch(&pump->source, 0);
	/* The terminal is one descriptor for reading and resizing. */
	if (pump->source.fd != pump->process->terminal)
		close(pump->source.fd);
	pump->source.fd = -1;
}

static void check_end(struct process *process)
{
	if (!process->reaped || process->output[0].source.fd >= 0 || process->output[1].source.fd >= 0)
		return;
	for (struct process **link = &all; *link; link = &(*link)->next)
		if (*link == process) {
			*link = process->next;
			process->on_end(process);
			return;
		}
}

/* Reads what is there; `all_of_it` when nobody is left to write more. */
static void drain(struct pump *pump, bool all_of_it)
{
	struct process *process = pump->process;
	while (pump->source.fd >= 0 && !process->paused) {
		ssize_t got = read(pump->source.fd, chunk, sizeof chunk);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN && !all_of_it)
			return;
		if (got <= 0) /* the end; EIO: the terminal has no user any more */
			return close_output(pump);
		process->on_output(process, pump->stream, chunk, (size_t)got);
		if (!all_of_it)
			return;
	}
}

static void on_readable(struct source *source, uint32_t events)
{
	(void)events;
	struct pump *pump = (struct pump *)source;
	struct process *process = pump->process;
	drain(pump, process->reaped);
	check_end(process);
}

static void listen_to(struct process *process, enum log_stream stream, int fd)
{
	struct pump *pump = &process->output[stream];
	fcntl(fd, F_SETFL, O_NONBLOCK);
	pump->source.fd = fd;
	if (!process->paused && loop_watch(&pump->source, EPOLLIN))
		close_output(pump);
}

static void take_terminal(struct process *process, int master)
{
	process->terminal = master;
	listen_to(process, LOG_STDOUT, master);
	if (process->wants_input)
		process->input = fcntl(master, F_DUPFD_CLOEXEC, 3);
}

static void on_status(struct source *source, uint32_t events)
{
	(void)events;
	struct process *process = (struct process *)((char *)source - offsetof(struct process, status));
	struct failure failure = { 0 };
	enum spawn_report report;
	pid_t pid;
	int fd;
	if (source->fd < 0)
		return; /* read already, in this same round of events */
	while ((report = spawn_report(source->fd, &pid, &fd, &failure)) == SPAWN_TERMINAL || report == SPAWN_ENTERED) {
		if (report == SPAWN_TERMINAL && process->terminal < 0) {
			take_terminal(process, fd);
		} else if (report == SPAWN_ENTERED && !process->entered) {
			process->entered = true;
			close_fd(&process->pidfd);
			process->pid = pid;
			process->pidfd = fd;
		} else {
			close(fd);
		}
	}
	if (report == SPAWN_NOTHING)
		return;
	loop_watch(source, 0);
	close_fd(&source->fd);
	process->starting = false;
	/* A launch without a process to show for it was cut off. */
	if (report == SPAWN_EXECUTED && process->launched && !process->entered)
		report = (fail_with(&failure, ECHILD, "run program", "killed"), SPAWN_FAILED);
	process->failed = report == SPAWN_FAILED;
	process->on_start(process, process->failed ? &failure : NULL);
}

void process_init(struct process *process)
{
	process->pidfd = process->input = process->terminal = -1;
	process->status = (struct source){ .fd = -1, .ready = on_status };
	for (int stream = 0; stream < 2; stream++)
		process->output[stream] = (struct pump){
			.source = { .fd = -1, .ready = on_readable },
			.process = process,
			.stream = (enum log_stream)stream,
		};
}

static void close_pipes(int pipes[3][2], int end)
{
	for (int i = 0; i < 3; i++)
		close_fd(&pipes[i][end]);
}

static int make_pipes(const struct process *process, const struct spawn *spawn, int pipes[3][2], struct failure *failure)
{
	for (int i = 0; i < 3; i++) {
		if (spawn->tty || (i == 0 && !process->wants_input))
			continue;
		if (pipe2(pipes[i], O_CLOEXEC))
			return fail(failure, "pipe", NULL);
	}
	return 0;
}

int process_start(struct process *process, struct spawn *spawn, struct failure *failure)
{
	int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int made = make_pipes(process, spawn, pipes, failure);
	process->launched = launch_is_wanted(spawn);
	spawn->stdio[0] = pipes[0][0];
	spawn->stdio[1] = pipes[1][1];
	spawn->stdio[2] = pipes[2][1];
	if (made == 0)
		process->pid = spawn_process(spawn, &process->pidfd, &process->status.fd, failure);
	close_fd(&pipes[0][0]);
	close_fd(&pipes[1][1]);
	close_fd(&pipes[2][1]);
	if (made || process->pid < 0 || loop_watch(&process->status, EPOLLIN)) {
		if (!failure->error)
			fail(failure, "watch child", NULL);
		if (made == 0 && process->pid > 0)
			kill(process->pid, SIGKILL);
		close_pipes(pipes, 0);
		close_pipes(pipes, 1);
		process_release(process);
		return -1;
	}
	process->starting = true;
	process->input = pipes[0][1];
	if (process->input >= 0)
		fcntl(process->input, F_SETFL, O_NONBLOCK);
	if (!spawn->tty) {
		listen_to(process, LOG_STDOUT, pipes[1][0]);
		listen_to(process, LOG_STDERR, pipes[2][0]);
	}
	process->next = all;
	all = process;
	return 0;
}

void process_pause(struct process *process, bool paused)
{
	if (process->paused == paused)
		return;
	process->paused = paused;
	for (int stream = 0; stream < 2; stream++) {
		struct pump *pump = &process->output[stream];
		if (pump->source.fd < 0)
			continue;
		if (!paused && process->reaped)
			drain(pump, true);
		else
			loop_watch(&pump->source, paused ? 0 : EPOLLIN);
	}
	if (!paused)
		check_end(process);
}

void process_close_input(struct process *process) { close_fd(&process->input); }

void process_signal(struct process *process, int signal)
{
	if (!process->reaped && process->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0);
}

static void ended(struct process *process, int status)
{
	process->reaped = true;
	process->wait_status = status;
	if (process->starting)
		on_status(&process->status, 0);
	for (int stream = 0; stream < 2; stream++)
		drain(&process->output[stream], true);
	check_end(process);
}

/* An exec goes on as another process than the one that was started: learns of it before that one can be reaped. */
static void read_reports(void)
{
	struct process *next;
	for (struct process *process = all; process; process = next) {
		next = process->next;
		if (process->starting)
			on_status(&process->status, 0);
	}
}

void process_reap(void)
{
	siginfo_t child = { 0 };
	/* A look first: what is seen dead has been reported by then. */
	while (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0 && child.si_pid > 0) {
		int status;
		pid_t pid = child.si_pid;
		read_reports();
		if (waitpid(pid, &status, 0) != pid)
			return;
		for (struct process *process = all; process; process = process->next)
			if (process->pid == pid) {
				ended(process, status);
				break;
			}
		child.si_pid = 0;
	}
}

bool process_settled(const struct process *process) { return !process->starting && !process->failed; }

void process_hand_over(struct writer *w, const struct process *process)
{
	size_t nest = nest_begin(w, HANDOVER_PROCESS);
	put_number(w, HANDOVER_PID, (uint64_t)process->pid);
	put_descriptor(w, HANDOVER_PIDFD, process->pidfd);
	put_descriptor(w, HANDOVER_STDOUT, process->output[LOG_STDOUT].source.fd);
	put_descriptor(w, HANDOVER_STDERR, process->output[LOG_STDERR].source.fd);
	put_descriptor(w, HANDOVER_STDIN, process->input);
	put_descriptor(w, HANDOVER_TERMINAL, process->terminal);
	put_number(w, HANDOVER_STATUS, (uint64_t)process->wait_status);
	put_number(w, HANDOVER_FLAGS, process->wants_input * WANTS_INPUT | process->entered * ENTERED |
					      process->reaped * REAPED | process->paused * PAUSED);
	nest_end(w, nest);
}

void process_take_over(struct process *process, const uint8_t *payload, size_t length)
{
	struct tlv from;
	if (!tlv_find(payload, length, HANDOVER_PROCESS, &from))
		return;
	uint64_t flags = tlv_number(from.value, from.length, HANDOVER_FLAGS, 0);
	process->pid = (pid_t)tlv_number(from.value, from.length, HANDOVER_PID, 0);
	process->pidfd = take_descriptor(from.value, from.length, HANDOVER_PIDFD);
	process->input = take_descriptor(from.value, from.length, HANDOVER_STDIN);
	process->terminal = take_descriptor(from.value, from.length, HANDOVER_TERMINAL);
	process->wait_status = (int)tlv_number(from.value, from.length, HANDOVER_STATUS, 0);
	process->wants_input = flags & WANTS_INPUT;
	process->entered = flags & ENTERED;
	process->reaped = flags & REAPED;
	process->paused = flags & PAUSED;
	int output[2] = { take_descriptor(from.value, from.length, HANDOVER_STDOUT),
			  take_descriptor(from.value, from.length, HANDOVER_STDERR) };
	for (int stream = 0; stream < 2; stream++)
		if (output[stream] >= 0)
			listen_to(process, (enum log_stream)stream, output[stream]);
	/* One that has ended and said all is in nobody's list. */
	if (process->reaped && output[0] < 0 && output[1] < 0)
		return;
	process->next = all;
	all = process;
}

void process_release(struct process *process)
{
	if (process->status.added)
		loop_watch(&process->status, 0);
	close_fd(&process->status.fd);
	for (int stream = 0; stream < 2; stream++)
		close_output(&process->output[stream]);
	close_fd(&process->input);
	close_fd(&process->terminal);
	close_fd(&process->pidfd);
	/* Events of this round may still point here: the owner frees the memory through loop_forget. */
	process->status.dead = process->output[0].source.dead = process->output[1].source.dead = true;
}
