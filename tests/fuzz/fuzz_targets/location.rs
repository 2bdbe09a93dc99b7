#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    edgegate_fuzz::properties::web::location(data);
});
