/*
 * For tests of what filters do. Built twice, with libc as a 64-bit program, and with -DBARE -m32 as a 32-bit one, for which there
 * is none.
 *
 *   calls 32|x32 NUMBER [ARGUMENT]...     makes a system call and exits with the error it got, 0 for none; arguments are hexadecimal
 *   calls socketcall FAMILY               asks for a socket as old 32-bit programs do, and exits as above
 *   calls log PID                         exits with 0 if a process has a filter with SECCOMP_FILTER_FLAG_LOG, 2 if not (64-bit only)
 *   calls filter PID                      writes the filter of a process, as it was installed (64-bit only)
 */
#ifndef BARE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#endif

typedef unsigned long word;

#define ARGUMENTS 5
#define X32_BIT 0x40000000

static word hexadecimal(const char *text)
{
	word value = 0;
	for (; *text; text++)
		value = value * 16 + (word)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
	return value;
}

static int decimal(const char *text)
{
	int value = 0;
	for (; *text; text++)
		value = value * 10 + (*text - '0');
	return value;
}

/* Enters the kernel as a 32-bit program, whoever calls it. */
static int call_i386(int number, const word *args)
{
	word result = (word)number;
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(args[0]), "c"(args[1]), "d"(args[2]), "S"(args[3]), "D"(args[4])
			 : "memory");
	return (int)result;
}

#define SOCKETCALL 102
#define SYS_SOCKET 1
#define SOCK_SEQPACKET 5

static int call_socketcall(int family)
{
	/* The program is linked below 4 GiB. */
	static unsigned int parameters[3];
	parameters[0] = (unsigned int)family;
	parameters[1] = SOCK_SEQPACKET;
	const word args[ARGUMENTS] = { SYS_SOCKET, (word)parameters };
	return call_i386(SOCKETCALL, args);
}

#ifdef __x86_64__
static int call_x32(int number, const word *args)
{
	word result = (word)number + X32_BIT;
	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(args[0]), "S"(args[1]), "d"(args[2])
			 : "rcx", "r11", "memory");
	return (int)result;
}
#endif

#ifndef BARE
#define FILTER_LIMIT 4096

static int seize(int pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) ||
	    waitpid(pid, NULL, __WALL) != pid)
		return perror("seize"), -1;
	return 0;
}

static int has_log(int pid)
{
	struct __ptrace_seccomp_metadata metadata = { 0 };
	if (seize(pid))
		return 1;
	if (ptrace(PTRACE_SECCOMP_GET_METADATA, pid, sizeof metadata, &metadata) < 0)
		return perror("get what is told of the filter"), 1;
	return metadata.flags & SECCOMP_FILTER_FLAG_LOG ? 0 : 2;
}

static int write_filter(int pid)
{
	static struct sock_filter program[FILTER_LIMIT];
	if (seize(pid))
		return 1;
	long length = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, NULL, program);
	if (length < 0)
		return perror("get the filter"), 1;
	return fwrite(program, sizeof *program, (size_t)length, stdout) == (size_t)length ? 0 : 1;
}
#endif

int main(int count, char **arguments)
{
	word args[ARGUMENTS] = { 0 };
	if (count < 3 || count > 3 + ARGUMENTS)
		return 255;
#ifndef BARE
	if (arguments[1][0] == 'l')
		return has_log(decimal(arguments[2]));
	if (arguments[1][0] == 'f')
		return write_filter(decimal(arguments[2]));
#endif
	for (int index = 3; index < count; index++)
		args[index - 3] = hexadecimal(arguments[index]);
	int number = decimal(arguments[2]);
	if (arguments[1][0] == 's') {
		int descriptor = call_socketcall(number);
		return descriptor < 0 ? -descriptor : 0;
	}
#ifdef __x86_64__
	int result = arguments[1][0] == 'x' ? call_x32(number, args) : call_i386(number, args);
#else
	int result = call_i386(number, args);
#endif
	return result < 0 && result > -4096 ? -result : 0;
}

#ifdef BARE
__asm__(".globl _start\n"
	"_start:\n"
	"	mov %esp, %ebx\n"
	"	lea 4(%esp), %ecx\n"
	"	and $-16, %esp\n"
	"	sub $8, %esp\n"
	"	push %ecx\n"
	"	push (%ebx)\n"
	"	call main\n"
	"	mov %eax, %ebx\n"
	"	mov $1, %eax\n"
	"	int $0x80\n");
#endif
