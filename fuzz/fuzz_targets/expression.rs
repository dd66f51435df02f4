//! Expressions in CEL.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry_fuzz::expression(input));
