/*
 * Unpacks one uncompressed image layer from stdin into a directory, and into nothing else: every parent is resolved by
 * the kernel inside that directory (openat2 RESOLVE_IN_ROOT), the last component is never followed. Whiteouts become
 * overlayfs' own form. Sources: OCI image-spec "Layers"; Linux Documentation/filesystems/overlayfs.rst.
 *
 * Usage: unpack DIRECTORY. Exits with 0, or 1 (the kernel refused) or 2 (the layer is damaged or unsupported), and one
 * line on stderr.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "defence.h"
#include "kernel.h"
#include "tar.h"

#define EXIT_KERNEL 1
#define EXIT_LAYER 2
#define COPY_SIZE (256 << 10)
#define ENTRIES_LIMIT 4000000u
#define DEPTH_LIMIT 512
/* What the names of directories may take in memory: an image of a few megabytes could else claim all of the node's. */
#define DATED_LIMIT ((size_t)128 << 20)

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define AUFS ".wh..wh."

static int root = -1;

/* Directories get their times last: what is made in them changes them. */
static struct dated {
	char *path;
	struct timespec modified;
} *dated;
static size_t dated_count, dated_size, dated_bytes;

static int open_parent(const char *path)
{
	uint64_t resolve = (defended("layer-root") ? RESOLVE_IN_ROOT : 0) | RESOLVE_NO_MAGICLINKS;
	int tries = 16, fd;
	do
		fd = openat2_(root, *path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, resolve);
	while (fd < 0 && errno == EAGAIN && --tries > 0);
	race_point("layer-parent");
	if (fd >= 0 && !defended("held-parent")) {
		close(fd);
		fd = openat(root, *path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return fd;
}

/* Drops empty parts and dots; refuses what climbs. */
static const char *clean(char *path, struct failure *failure)
{
	char *end = path;
	size_t length;
	for (const char *part = path; *part; part += length + (part[length] == '/')) {
		length = strcspn(part, "/");
		if (length == 2 && part[0] == '.' && part[1] == '.') {
			fail_with(failure, EBADMSG, "a name leads out of the layer", path);
			return NULL;
		}
		if (length == 0 || (length == 1 && *part == '.'))
			continue;
		if (end > path)
			*end++ = '/';
		memmove(end, part, length);
		end += length;
	}
	*end = 0;
	return path;
}

/* The parent of `path`, made when it is missing, and in `name` the last component. */
static int parent_of(const char *path, const char **name, struct failure *failure)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof copy, "%s", path);
	char *slash = strrchr(copy, '/');
	*name = slash ? path + (slash - copy) + 1 : path;
	if (slash)
		*slash = 0;
	else
		copy[0] = 0;
	int fd = open_parent(copy);
	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : fail(failure, "open directory", path);
	for (char *at = copy;; at++) {
		at = strchr(at, '/');
		if (at)
			*at = 0;
		char *last = strrchr(copy, '/');
		if (last)
			*last = 0;
		int above = open_parent(last ? copy : "");
		if (last)
			*last = '/';
		bool made = above >= 0 && (mkdirat(above, last ? last + 1 : copy, 0755) == 0 || errno == EEXIST);
		if (above >= 0)
			close(above);
		if (!made)
			return fail(failure, "make directory", copy);
		if (!at)
			break;
		*at = '/';
	}
	fd = open_parent(copy);
	return fd < 0 ? fail(failure, "open directory", copy) : fd;
}

static int remove_tree(int parent, const char *name, int depth)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR || depth > DEPTH_LIMIT)
		return -1;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	struct dirent *entry;
	int result = 0;
	while (result == 0 && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			result = remove_tree(fd, entry->d_name, depth + 1);
	closedir(directory);
	return result ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
}

/* What an image may carry: anything of the overlay itself could make it show directories of the node. */
static bool xattr_allowed(const char *name)
{
	return (strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0) ||
	       strcmp(name, "security.capability") == 0 || strncmp(name, "system.posix_acl_", 17) == 0;
}

static int set_xattrs(int fd, const struct tar_entry *entry, struct failure *failure)
{
	for (unsigned i = 0; i < entry->xattr_count; i++) {
		const struct tar_xattr *xattr = &entry->xattrs[i];
		if (xattr_allowed(xattr->name) && fsetxattr(fd, xattr->name, xattr->value, xattr->length, 0) && errno != ENOTSUP)
			return fail(failure, "set extended attribute", entry->path);
	}
	return 0;
}

/* Owner before mode (chown clears setuid), capabilities after both. */
static int set_attributes(int fd, const struct tar_entry *entry, struct failure *failure)
{
	if (fchown(fd, entry->uid, entry->gid))
		return fail(failure, "set owner", entry->path);
	if (fchmod(fd, entry->mode))
		return fail(failure, "set mode", entry->path);
	return set_xattrs(fd, entry, failure);
}

static int set_times(int parent, const char *name, struct timespec modified)
{
	struct timespec times[2] = { modified, modified };
	return utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
}

static int make_file(struct tar *tar, int parent, const char *name, const struct tar_entry *entry, struct failure *failure)
{
	static char data[COPY_SIZE];
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(failure, "make file", entry->path);
	ssize_t got;
	int result = 0;
	while (result == 0 && (got = tar_read(tar, data, sizeof data, failure)) != 0) {
		for (ssize_t done = 0; result == 0 && done < got;) {
			ssize_t written = write(fd, data + done, (size_t)(got - done));
			if (written < 0 && errno != EINTR)
				result = fail(failure, "write file", entry->path);
			else if (written > 0)
				done += written;
		}
		if (got < 0)
			result = -1;
	}
	if (result == 0)
		result = set_attributes(fd, entry, failure);
	if (close(fd) && result == 0)
		result = fail(failure, "write file", entry->path);
	return result;
}

static int remember_time(const struct tar_entry *entry, const char *path, struct failure *failure)
{
	dated_bytes += 2 * sizeof *dated + strlen(path);
	if (dated_bytes > DATED_LIMIT)
		return fail_with(failure, E2BIG, "read layer", "the names of its directories take more than 128 MiB");
	if (dated_count == dated_size) {
		size_t size = dated_size ? 2 * dated_size : 64;
		struct dated *grown = realloc(dated, size * sizeof *dated);
		if (!grown)
			return fail(failure, "make directory", "no memory");
		dated = grown;
		dated_size = size;
	}
	char *copy = strdup(path);
	if (!copy)
		return fail(failure, "make directory", "no memory");
	dated[dated_count++] = (struct dated){ .path = copy, .modified = entry->modified };
	return 0;
}

static int make_directory(int parent, const char *name, const struct tar_entry *entry, const char *path,
			  struct failure *failure)
{
	const char *what = *name ? name : ".";
	int follow = defended("layer-links") ? O_NOFOLLOW : 0;
	if (*name && mkdirat(parent, name, 0700) && errno != EEXIST)
		return fail(failure, "make directory", path);
	int fd = openat(parent, what, O_RDONLY | O_DIRECTORY | follow | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
		/* Something else had that name: the later entry counts. */
		if (remove_tree(parent, name, 0) || mkdirat(parent, name, 0700))
			return fail(failure, "make directory", path);
		fd = openat(parent, what, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return fail(failure, "make directory", path);
	int result = set_attributes(fd, entry, failure);
	close(fd);
	return result ? result : remember_time(entry, path, failure);
}

static int make_hard_link(int parent, const char *name, struct tar_entry *entry, struct failure *failure)
{
	const char *target = clean(entry->link, failure), *last;
	if (!target)
		return -1;
	int from = parent_of(target, &last, failure);
	if (from < 0)
		return -1;
	int result = linkat(from, last, parent, name, 0) ? fail(failure, "hard link", entry->path) : 0;
	close(from);
	return result;
}

static int make_node(int parent, const char *name, const struct tar_entry *entry, struct failure *failure)
{
	static const mode_t KIND[] = { ['3' - '3'] = S_IFCHR, ['4' - '3'] = S_IFBLK, ['6' - '3'] = S_IFIFO };
	dev_t device = entry->type == '6' ? 0 : makedev(entry->major, entry->minor);
	if (mknodat(parent, name, KIND[entry->type - '3'] | (entry->mode & 07777), device))
		return fail(failure, "make device", entry->path);
	/* No chmod: it would follow a link put here since, and the mode is set already. */
	if (fchownat(parent, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW))
		return fail(failure, "set owner", entry->path);
	return 0;
}

/* `.wh.name` hides what lower layers have under that name; what this layer has itself stays. */
static int make_whiteout(int parent, const char *name, const char *path, struct failure *failure)
{
	if (strcmp(name, OPAQUE) == 0) {
		int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int result = fd < 0 || fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) ? fail(failure, "make opaque", path) : 0;
		if (fd >= 0)
			close(fd);
		return result;
	}
	if (strncmp(name, AUFS, sizeof AUFS - 1) == 0)
		return 0;
	const char *hidden = name + sizeof WHITEOUT - 1;
	if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return fail_with(failure, EBADMSG, "a whiteout hides nothing", path);
	if (mknodat(parent, hidden, S_IFCHR, makedev(0, 0)) && errno != EEXIST)
		return fail(failure, "make whiteout", path);
	return 0;
}

static int make_entry(struct tar *tar, int parent, const char *name, const char *path, struct tar_entry *entry,
		      struct failure *failure)
{
	int result;
	if (strncmp(name, WHITEOUT, sizeof WHITEOUT - 1) == 0)
		return make_whiteout(parent, name, path, failure);
	if (entry->type == '5')
		return make_directory(parent, name, entry, path, failure);
	if (!*name)
		return fail_with(failure, EBADMSG, "an entry has no name", path);
	if (remove_tree(parent, name, 0))
		return fail(failure, "replace", path);
	if (entry->type == '1')
		return make_hard_link(parent, name, entry, failure);
	if (entry->type == '0')
		result = make_file(tar, parent, name, entry, failure);
	else if (entry->type == '2')
		result = symlinkat(entry->link, parent, name) ||
				 fchownat(parent, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW)
				 ? fail(failure, "make symlink", path)
				 : 0;
	else
		result = make_node(parent, name, entry, failure);
	if (result == 0 && set_times(parent, name, entry->modified))
		result = fail(failure, "set times", path);
	return result;
}

static int unpack(struct tar *tar, struct failure *failure)
{
	static struct tar_entry entry;
	int more;
	for (unsigned count = 0; (more = tar_next(tar, &entry, failure)) == 1; count++) {
		if (count == ENTRIES_LIMIT)
			return fail_with(failure, E2BIG, "read layer", "more than 4 million entries");
		const char *path = clean(entry.path, failure), *name;
		if (!path)
			return -1;
		int parent = parent_of(path, &name, failure);
		if (parent < 0)
			return -1;
		int result = make_entry(tar, parent, name, path, &entry, failure);
		close(parent);
		if (result)
			return -1;
	}
	return more;
}

/* A directory may have been replaced since: then it has no time to get. */
static void date_directories(void)
{
	while (dated_count > 0) {
		struct dated *last = &dated[--dated_count];
		int fd = open_parent(last->path);
		if (fd >= 0) {
			set_times(fd, ".", last->modified);
			close(fd);
		}
		free(last->path);
	}
	free(dated);
}

int main(int argc, char **argv)
{
	struct failure failure = { 0 };
	struct tar tar = { .fd = STDIN_FILENO };
	if (argc != 2) {
		fputs("usage: unpack DIRECTORY < LAYER\n", stderr);
		return EXIT_KERNEL;
	}
	umask(0);
	prctl(PR_SET_PDEATHSIG, 9);
	root = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		fail(&failure, "open", argv[1]);
	else if (unpack(&tar, &failure) == 0) {
		tar_drain(&tar);
		date_directories();
		int sync = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sync >= 0 && syncfs(sync) == 0)
			return 0;
		fail(&failure, "sync", argv[1]);
	}
	fprintf(stderr, "%s: %s: %s\n", failure.step, failure.detail, strerror(failure.error));
	bool layer = failure.error == EBADMSG || failure.error == ENOTSUP || failure.error == E2BIG;
	return layer ? EXIT_LAYER : EXIT_KERNEL;
}
