//! Merge patches.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry_fuzz::patch(input, gantry_fuzz::Patch::Merge));
