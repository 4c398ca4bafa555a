/* A plugin for QEMU's user mode that counts executed guest instructions, in all and up to each sched_yield(2).
 *
 *     gcc -shared -fPIC -O2 -o count_instructions.so count_instructions.c
 *     qemu-aarch64 -cpu cortex-a72 -plugin ./count_instructions.so,out=FILE PROGRAM ARGUMENTS
 *
 * FILE then has a line for the count at each sched_yield and one for the whole run.  With places=yes it has a line
 * "address count" for each block of code instead.  The declarations are those of QEMU's qemu-plugin.h, version 1 (QEMU
 * 7.2), as distributions do not package that header. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
extern void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t,
    void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { ADD_U64 = 0, SCHED_YIELD = 124 /* on AArch64 */ };

struct place {
    uint64_t address, count;
    struct place *next;
};

static uint64_t count;
static struct place *places;
static int by_place;
static FILE *out;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    size_t instructions = qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &count, instructions);
    if (by_place) {
        struct place *place = calloc(1, sizeof *place);
        if (!place) abort();
        place->address = qemu_plugin_tb_vaddr(block);
        place->next = places;
        places = place;
        qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &place->count, instructions);
    }
}

static void called(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    if (number == SCHED_YIELD && !by_place) fprintf(out, "%llu\n", (unsigned long long)count);
}

static void at_exit(qemu_plugin_id_t id, void *unused) {
    if (by_place)
        for (struct place *place = places; place; place = place->next)
            fprintf(out, "%llx %llu\n", (unsigned long long)place->address, (unsigned long long)place->count);
    else
        fprintf(out, "%llu\n", (unsigned long long)count);
    fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) out = fopen(argv[i] + 4, "w");
        if (!strcmp(argv[i], "places=yes")) by_place = 1;
    }
    if (!out) {
        fprintf(stderr, "count_instructions: give out=FILE, a file that can be written\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
