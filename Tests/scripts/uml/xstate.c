// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The graphctl authors
//
// Lets the kernel of user-mode-linux 6.1 run on processors with AMX, preloaded into it by uml-run.sh.
//
// It has room for 2,696 bytes of a guest process's extended registers, which is all up to AVX-512. The host
// lets it read that part of more, but PTRACE_SETREGSET takes all or nothing (EFAULT): 11,008 bytes with AMX.
// What is missing is the state of what no guest process can have used, and is written as zeros.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static long (*real_ptrace)(int, ...);

// Not on the stack: those of the kernel's own threads are small. It has one processor, and is not preempted.
static char registers[1 << 16] __attribute__((aligned(64)));
static size_t registers_size;

__attribute__((constructor)) static void find_ptrace(void)
{
    real_ptrace = (long (*)(int, ...))dlsym(RTLD_NEXT, "ptrace");
}

static long set_all_registers(long process, const struct iovec *part)
{
    struct iovec all = { registers, sizeof registers };

    if (registers_size == 0) {
        if (real_ptrace(PTRACE_GETREGSET, process, NT_X86_XSTATE, &all) < 0)
            return -1;
        registers_size = all.iov_len;
    }
    if (part->iov_len >= registers_size) {
        errno = EFAULT;
        return -1;
    }
    memset(registers, 0, registers_size);
    memcpy(registers, part->iov_base, part->iov_len);
    all.iov_len = registers_size;
    return real_ptrace(PTRACE_SETREGSET, process, NT_X86_XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
    long process, address, result;
    void *data;
    va_list list;

    va_start(list, request);
    process = va_arg(list, long);
    address = va_arg(list, long);
    data = va_arg(list, void *);
    va_end(list);
    if (request == PTRACE_SETREGSET && address == NT_X86_XSTATE && registers_size != 0)
        return set_all_registers(process, data);
    result = real_ptrace(request, process, address, data);
    if (result < 0 && errno == EFAULT && request == PTRACE_SETREGSET && address == NT_X86_XSTATE)
        return set_all_registers(process, data);
    return result;
}
