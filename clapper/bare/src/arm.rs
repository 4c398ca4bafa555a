//! QEMU's mps2-an386: a Cortex-M4.

use core::arch::{asm, global_asm};

// Copies what variables begin with from flash, clears the others, and starts.
global_asm!(
    ".section .text.reset",
    ".global reset",
    ".thumb_func",
    "reset:",
    "ldr r0, =data_start",
    "ldr r1, =data_end",
    "ldr r2, =data_load",
    "2: cmp r0, r1",
    "beq 3f",
    "ldr r3, [r2], #4",
    "str r3, [r0], #4",
    "b 2b",
    "3: ldr r0, =bss_start",
    "ldr r1, =bss_end",
    "movs r2, #0",
    "4: cmp r0, r1",
    "beq 5f",
    "str r2, [r0], #4",
    "b 4b",
    "5: bl main",
    ".global fault",
    ".thumb_func",
    "fault:",
    "bl fail",
);

/// Asks the debugger, which QEMU plays, for a service: [semihosting](https://github.com/ARM-software/abi-aa).
pub(crate) fn semihosting(operation: usize, argument: *const usize) {
    // SAFETY: the operations that `main` uses read what `argument` points at, and change nothing.
    unsafe { asm!("bkpt #0xab", inout("r0") operation => _, in("r1") argument, options(nostack)) };
}

/// SysTick's registers: control, reload, current value.
const SYSTICK: *mut u32 = 0xe000_e010 as *mut u32;

/// SysTick has 24 bits and counts down.
const MOST: u32 = (1 << 24) - 1;

/// Ticks of a second: the processor's clock.
pub(crate) const FREQUENCY: u64 = 25_000_000;

/// Starts the clock.
pub(crate) fn start() {
    // SAFETY: the registers are there in every Cortex-M4, and nothing else uses them.
    unsafe {
        SYSTICK.add(1).write_volatile(MOST);
        SYSTICK.add(2).write_volatile(0);
        // On, without interrupts, by the processor's clock.
        SYSTICK.write_volatile(0b101);
    }
}

/// What the clock shows.
pub(crate) fn now() -> u64 {
    // SAFETY: as above.
    u64::from(MOST - unsafe { SYSTICK.add(2).read_volatile() })
}

/// Ticks since the clock showed `before`, less than 2²⁴: 0.67 s, in which QEMU runs 671 million instructions.
pub(crate) fn since(before: u64) -> u64 {
    now().wrapping_sub(before) & u64::from(MOST)
}

/// Bytes for the lists that a network is loaded into; weights stay where they are.
pub(crate) const HEAP: usize = 160 * 1024;
