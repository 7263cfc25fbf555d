/*
 * The floor under a container start: the kernel's steps alone, in one bare program. Makes what a pod and its container
 * are made of (network, ipc and uts namespace; cgroup with limits; pid, mount and cgroup namespace; overlay root with
 * proc, sys, dev; masks; pivot_root; capabilities; an allowing seccomp filter; exec), runs the program to its end, takes
 * it down, and prints the median of all rounds in microseconds.
 *
 * With PAUSE_MS `hold` the program runs in all rounds at once, and what is printed is the memory that each takes of the
 * machine, in bytes, the kernel's part included.
 *
 * Usage: floor LOWERDIR SCRATCH ROUNDS PAUSE_MS|hold CGROUP_PROCS_DIRECTORY... -- PROGRAM [ARGUMENT...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(call) do { if ((call) < 0) { perror(#call); _exit(1); } } while (0)

static const char *lower, *scratch;
static char **groups;
static int group_count;
static char **command;

static double now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd);
	CHECK(write(fd, text, strlen(text)));
	close(fd);
}

static void device(const char *name, unsigned major, unsigned minor) { CHECK(mknod(name, S_IFCHR | 0666, makedev(major, minor))); }

static void mask(const char *path)
{
	struct stat about;
	if (stat(path, &about))
		return;
	if (S_ISDIR(about.st_mode))
		CHECK(mount("none", path, "tmpfs", MS_RDONLY, "size=0"));
	else
		CHECK(mount("dev/null", path, NULL, MS_BIND, NULL));
}

static void make_root(int round)
{
	char root[512], options[2048];
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
	snprintf(root, sizeof root, "%s/root", scratch);
	snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper%d,workdir=%s/work%d", lower, scratch, round, scratch, round);
	CHECK(mount("overlay", root, "overlay", MS_NODEV, options));
	CHECK(chdir(root));
	CHECK(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	CHECK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536"));
	device("dev/null", 1, 3);
	device("dev/zero", 1, 5);
	device("dev/full", 1, 7);
	device("dev/random", 1, 8);
	device("dev/urandom", 1, 9);
	device("dev/tty", 5, 0);
	CHECK(mkdir("dev/pts", 0755));
	CHECK(mkdir("dev/shm", 0755));
	CHECK(mkdir("dev/mqueue", 0755));
	CHECK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"));
	CHECK(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=67108864"));
	CHECK(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	CHECK(mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	static const char *const masked[] = { "proc/acpi", "proc/asound", "proc/interrupts", "proc/kcore", "proc/keys",
		"proc/latency_stats", "proc/sched_debug", "proc/scsi", "proc/timer_list", "proc/timer_stats",
		"sys/devices/virtual/powercap", "sys/firmware" };
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
		mask(masked[i]);
	static const char *const fixed[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (mount(fixed[i], fixed[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			CHECK(mount(NULL, fixed[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	CHECK(syscall(SYS_pivot_root, ".", "."));
	CHECK(umount2(".", MNT_DETACH));
	CHECK(chdir("/"));
}

static void restrict_self(void)
{
	static struct sock_filter allow[] = { { 0x06, 0, 0, SECCOMP_RET_ALLOW } };
	struct sock_fprog program = { 1, allow };
	for (int capability = 0; capability <= 40; capability++)
		if (!(0xa80425fbull >> capability & 1))
			CHECK(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0));
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .permitted = 0xa80425fb, .effective = 0xa80425fb } };
	CHECK(syscall(SYS_capset, &header, data));
}

static void container(int round)
{
	char path[512];
	for (int i = 0; i < group_count; i++) {
		snprintf(path, sizeof path, "%s/round/cgroup.procs", groups[i]);
		write_text(path, "0");
	}
	CHECK(unshare(CLONE_NEWCGROUP));
	make_root(round);
	restrict_self();
	execv(command[0], command);
	perror(command[0]);
	_exit(127);
}

static void pod(int round)
{
	int status;
	CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL));
	CHECK(unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_NEWPID | CLONE_NEWNS, NULL, NULL, NULL, NULL);
	CHECK(pid);
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL));
		container(round);
	}
	CHECK(waitpid(pid, &status, 0));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void make_groups(void)
{
	char path[512];
	for (int i = 0; i < group_count; i++) {
		snprintf(path, sizeof path, "%s/round", groups[i]);
		CHECK(mkdir(path, 0755));
		snprintf(path, sizeof path, "%s/round/pids.max", groups[i]);
		if (access(path, F_OK) == 0)
			write_text(path, "500");
		snprintf(path, sizeof path, "%s/round/memory.limit_in_bytes", groups[i]);
		if (access(path, F_OK) == 0)
			write_text(path, "67108864");
		snprintf(path, sizeof path, "%s/round/cpu.shares", groups[i]);
		if (access(path, F_OK) == 0)
			write_text(path, "100");
	}
}

static void remove_groups(void)
{
	char path[512];
	for (int i = 0; i < group_count; i++) {
		snprintf(path, sizeof path, "%s/round", groups[i]);
		for (int tries = 0; rmdir(path) && errno == EBUSY && tries < 1000; tries++)
			usleep(1000);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void make_layer(int round)
{
	char path[512];
	snprintf(path, sizeof path, "%s/upper%d", scratch, round);
	CHECK(mkdir(path, 0755));
	snprintf(path, sizeof path, "%s/work%d", scratch, round);
	CHECK(mkdir(path, 0755));
}

static pid_t start(int round)
{
	pid_t pid = fork();
	CHECK(pid);
	if (pid == 0)
		pod(round);
	return pid;
}

static long available_kb(void)
{
	char line[128];
	long value = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	CHECK(file ? 0 : -1);
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "MemAvailable: %ld kB", &value) == 1)
			break;
	fclose(file);
	return value;
}

/* All share one group: a group for each is some kilobytes more. */
static int hold(int rounds)
{
	pid_t *pids = calloc((size_t)rounds, sizeof *pids);
	make_groups();
	usleep(500000);
	long before = available_kb();
	for (int round = 0; round < rounds; round++) {
		make_layer(round);
		pids[round] = start(round);
		usleep(5000);
	}
	usleep(500000);
	printf("%ld\n", (before - available_kb()) * 1024 / rounds);
	for (int round = 0; round < rounds; round++) {
		kill(pids[round], SIGKILL);
		waitpid(pids[round], NULL, 0);
	}
	remove_groups();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 8) {
		fputs("usage: floor LOWERDIR SCRATCH ROUNDS PAUSE_MS|hold CGROUP... -- PROGRAM...\n", stderr);
		return 2;
	}
	lower = argv[1];
	scratch = argv[2];
	int rounds = atoi(argv[3]), pause_ms = atoi(argv[4]);
	groups = argv + 5;
	while (strcmp(groups[group_count], "--"))
		group_count++;
	command = groups + group_count + 1;
	if (strcmp(argv[4], "hold") == 0)
		return hold(rounds);
	double *times = calloc((size_t)rounds, sizeof *times);
	for (int round = 0; round < rounds; round++) {
		make_layer(round);
		usleep((useconds_t)pause_ms * 1000);
		double began = now_us();
		make_groups();
		int status;
		CHECK(waitpid(start(round), &status, 0));
		times[round] = now_us() - began;
		remove_groups();
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			fprintf(stderr, "floor: round %d failed\n", round);
			return 1;
		}
	}
	qsort(times, (size_t)rounds, sizeof *times, compare);
	printf("%.0f\n", times[rounds / 2]);
	return 0;
}
