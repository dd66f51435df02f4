//! Protobuf bodies of every kind.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry_fuzz::decode_protobuf(input));
