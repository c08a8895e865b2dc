//! HMAC-SHA256 of a payload as long as an order's, by the crates that could do it, each with its key
//! prepared, and in hexadecimal. `cargo bench --bench sign`.

#![allow(missing_docs)]

use aws_lc_rs::hmac as aws;
use criterion::{Criterion, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::hint::black_box;

const SECRET: &[u8] = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const PAYLOAD: &[u8] = b"apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A\
    &newClientOrderId=st0000000000000001&newOrderRespType=ACK&price=61685.99&quantity=0.00847\
    &recvWindow=5000&side=SELL&symbol=BTCUSDT&timeInForce=IOC&timestamp=1660801715431&type=LIMIT";
/// `apiKey=` and the key: the same in every payload of the account.
const PREFIX: usize = 71;

fn signing(criterion: &mut Criterion) {
    let key = aws::Key::new(aws::HMAC_SHA256, SECRET);
    criterion.bench_function("aws-lc-rs, key kept", |bencher| {
        bencher.iter(|| aws::sign(&key, black_box(PAYLOAD)));
    });
    let keyed = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    criterion.bench_function("hmac, key each time", |bencher| {
        bencher.iter(|| {
            let mut mac = Hmac::<Sha256>::new_from_slice(black_box(SECRET)).unwrap();
            mac.update(black_box(PAYLOAD));
            mac.finalize().into_bytes()
        });
    });
    criterion.bench_function("hmac, key kept", |bencher| {
        bencher.iter(|| {
            let mut mac = keyed.clone();
            mac.update(black_box(PAYLOAD));
            mac.finalize().into_bytes()
        });
    });
    let mut begun = keyed.clone();
    begun.update(&PAYLOAD[..PREFIX]);
    criterion.bench_function("hmac, key and prefix kept", |bencher| {
        bencher.iter(|| {
            let mut mac = begun.clone();
            mac.update(black_box(&PAYLOAD[PREFIX..]));
            mac.finalize().into_bytes()
        });
    });
}

criterion_group!(benches, signing);
criterion_main!(benches);
