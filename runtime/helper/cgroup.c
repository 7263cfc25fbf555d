#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What a dying process needs to be off the list: tried this often, a millisecond apart. */
#define KILL_ROUNDS 200
#define REMOVE_ROUNDS 200
/* A container may make cgroups of its own, but not endlessly deep ones. */
#define DEPTH_LIMIT 32

int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t length = (ssize_t)strlen(value), written = write(fd, value, (size_t)length);
	int error = errno;
	close(fd);
	errno = error;
	return written == length ? 0 : -1;
}

static int make_directories(char *path)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -1;
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		int made = mkdir(path, 0755) == 0 || errno == EEXIST;
		*slash = '/';
		if (!made)
			return -1;
	}
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -1;
}

/* Stays attached as long as the group is there. */
static int filter_devices(const struct tlv *item, char *path, struct failure *failure)
{
	struct tlv program;
	if (tlv_text(item->value, item->length, TAG_PATH, path, PATH_MAX) ||
	    !tlv_find(item->value, item->length, TAG_DATA, &program))
		return fail_with(failure, EINVAL, "filter devices", "no program");
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insn_cnt = program.length / sizeof(struct bpf_insn),
		.insns = (uint64_t)(uintptr_t)program.value,
		.license = (uint64_t)(uintptr_t) "",
	};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
	if (fd < 0)
		return fail(failure, "load device filter", path);
	int group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	union bpf_attr attach = {
		.target_fd = (uint32_t)group,
		.attach_bpf_fd = (uint32_t)fd,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};
	int result = group < 0 || syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach)
			     ? fail(failure, "attach device filter", path)
			     : 0;
	if (group >= 0)
		close(group);
	close(fd);
	return result;
}

int cgroup_make(const struct tlv *cgroup, struct failure *failure)
{
	char path[PATH_MAX], value[256];
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(cgroup->value, cgroup->length, &offset, &item) == 1) {
		if (item.tag == TAG_PATH) {
			if (tlv_copy(&item, path, sizeof path) || make_directories(path))
				return fail(failure, "make cgroup", path);
		} else if (item.tag == TAG_WRITE) {
			if (tlv_text(item.value, item.length, TAG_PATH, path, sizeof path) ||
			    tlv_text(item.value, item.length, TAG_VALUE, value, sizeof value) || write_file(path, value))
				return fail(failure, "set cgroup limit", path);
		} else if (item.tag == TAG_DEVICE_PROGRAM && filter_devices(&item, path, failure)) {
			return -1;
		}
	}
	return 0;
}

int cgroup_into(const struct tlv *cgroup, struct failure *failure)
{
	char path[PATH_MAX];
	struct tlv item;
	if (!tlv_find(cgroup->value, cgroup->length, TAG_INTO, &item))
		return -1;
	int fd = tlv_copy(&item, path, sizeof path) ? -1 : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail(failure, "enter cgroup", path) : fd;
}

int cgroup_attach(const struct tlv *cgroup, struct failure *failure)
{
	char path[PATH_MAX];
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(cgroup->value, cgroup->length, &offset, &item) == 1)
		if (item.tag == TAG_SOURCE && (tlv_copy(&item, path, sizeof path) || write_file(path, "0")))
			return fail(failure, "enter cgroup", path);
	return 0;
}

static void pause_ms(void)
{
	struct timespec millisecond = { .tv_nsec = 1000000 };
	nanosleep(&millisecond, NULL);
}

/* Calls `visit` for each directory below `path`, the deepest first, and then for `path`. */
static void walk(const char *path, int depth, void (*visit)(const char *path, void *context), void *context)
{
	DIR *directory = depth < DEPTH_LIMIT ? opendir(path) : NULL;
	if (directory) {
		char child[PATH_MAX];
		struct dirent *entry;
		while ((entry = readdir(directory)))
			if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
			    snprintf(child, sizeof child, "%s/%s", path, entry->d_name) < (int)sizeof child)
				walk(child, depth + 1, visit, context);
		closedir(directory);
	}
	visit(path, context);
}

static void forbid_forks(const char *path, void *context)
{
	(void)context;
	char file[PATH_MAX + 16];
	snprintf(file, sizeof file, "%s/pids.max", path);
	write_file(file, "0");
}

static void kill_processes(const char *path, void *context)
{
	unsigned *found = context;
	char file[PATH_MAX + 16];
	snprintf(file, sizeof file, "%s/cgroup.procs", path);
	FILE *list = fopen(file, "re");
	if (!list)
		return;
	int pid;
	while (fscanf(list, "%d", &pid) == 1) {
		if (pid > 1 && pid != getpid())
			kill(pid, SIGKILL);
		(*found)++;
	}
	fclose(list);
}

static void kill_group(const char *path)
{
	char file[PATH_MAX + 16];
	snprintf(file, sizeof file, "%s/cgroup.kill", path);
	if (write_file(file, "1") == 0)
		return;
	/* Version 1: without new forks the list can only shrink. */
	walk(path, 0, forbid_forks, NULL);
	for (int round = 0; round < KILL_ROUNDS; round++) {
		unsigned found = 0;
		walk(path, 0, kill_processes, &found);
		if (!found)
			return;
		pause_ms();
	}
}

void cgroup_kill(const struct tlv *cgroup)
{
	char path[PATH_MAX];
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(cgroup->value, cgroup->length, &offset, &item) == 1)
		if (item.tag == TAG_TARGET && tlv_copy(&item, path, sizeof path) == 0)
			kill_group(path);
}

static void remove_directory(const char *path, void *context)
{
	bool *left = context;
	if (rmdir(path) && errno != ENOENT)
		*left = true;
}

bool cgroup_remove(const struct tlv *cgroup)
{
	char path[PATH_MAX];
	struct tlv item;
	size_t offset = 0;
	bool gone = true;
	while (tlv_next(cgroup->value, cgroup->length, &offset, &item) == 1) {
		if (item.tag != TAG_KEEP || tlv_copy(&item, path, sizeof path))
			continue;
		bool left = true;
		for (int round = 0; left && round < REMOVE_ROUNDS; round++) {
			if (round > 0)
				pause_ms();
			left = false;
			walk(path, 0, remove_directory, &left);
		}
		gone = gone && !left;
	}
	return gone;
}

unsigned long cgroup_oom_kills(const struct tlv *cgroup)
{
	char path[PATH_MAX], key[64];
	unsigned long value;
	if (tlv_text(cgroup->value, cgroup->length, TAG_OOM_FILE, path, sizeof path))
		return 0;
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	unsigned long kills = 0;
	while (fscanf(file, "%63s %lu", key, &value) == 2)
		if (strcmp(key, "oom_kill") == 0)
			kills = value;
	fclose(file);
	return kills;
}
