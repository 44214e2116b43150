#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| unwrite::fuzz::place(data));
