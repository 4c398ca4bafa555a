//! QEMU's virt: a Cortex-A53.

use core::arch::{asm, global_asm};

// Lets the vector registers be used; makes the memory normal, as vectors lie anywhere in it: the second gigabyte, where it
// is, by one block of the first table.  Clears the variables and starts.
global_asm!(
    ".section .text.reset",
    ".global reset",
    "reset:",
    "mov x0, #(3 << 20)",
    "msr cpacr_el1, x0",
    "adrp x0, stack_top",
    "mov sp, x0",
    "adrp x0, bss_start",
    "adrp x1, bss_end",
    "add x0, x0, :lo12:bss_start",
    "add x1, x1, :lo12:bss_end",
    "2: cmp x0, x1",
    "b.eq 3f",
    "stp xzr, xzr, [x0], #16",
    "b 2b",
    "3: adrp x0, faults",
    "msr vbar_el1, x0",
    "mov x0, #0xff", // Attribute 0: normal, cached.
    "msr mair_el1, x0",
    "ldr x0, =0x3519", // 39 bits of addresses, pages of 4 KiB, tables in cached memory.
    "msr tcr_el1, x0",
    "adrp x0, table",
    "msr ttbr0_el1, x0",
    "isb",
    "mrs x0, sctlr_el1",
    "mov x1, #0x1005", // Translation and caches on.
    "orr x0, x0, x1",
    "msr sctlr_el1, x0",
    "isb",
    "bl main",
    // Each of sixteen kinds of faults has 128 bytes.
    ".balign 4096",
    "faults:",
    ".rept 16",
    ".balign 128",
    "b fail",
    ".endr",
    ".section .rodata.table, \"a\"",
    ".balign 4096",
    "table:",
    ".quad 0",
    ".quad 0x40000701", // A block, accessed, shared by all cores, attribute 0.
    ".fill 510, 8, 0",
);

/// Asks the debugger, which QEMU plays, for a service: [semihosting](https://github.com/ARM-software/abi-aa).
pub(crate) fn semihosting(operation: usize, argument: *const usize) {
    // SAFETY: the operations that `main` uses read what `argument` points at, and change nothing.
    unsafe { asm!("hlt #0xf000", inout("x0") operation => _, in("x1") argument, options(nostack)) };
}

/// Ticks of a second of QEMU's Cortex-A53.
pub(crate) const FREQUENCY: u64 = 62_500_000;

/// The clock always runs.
pub(crate) fn start() {}

/// What the clock shows.
pub(crate) fn now() -> u64 {
    let ticks;
    // SAFETY: the register may be read at any time.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// Ticks since the clock showed `before`.
pub(crate) fn since(before: u64) -> u64 {
    now() - before
}

/// Bytes for the lists that a network is loaded into, and its packed weights.
pub(crate) const HEAP: usize = 1024 * 1024;
