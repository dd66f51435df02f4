//! Configurations of server-side apply.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry_fuzz::apply(input));
