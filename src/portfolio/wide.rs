//! Products of two 128-bit numbers divided by a third, without losing the middle.

#![forbid(unsafe_code)]

/// `value * numerator / denominator`, cut towards zero. `None` if the denominator is zero or the
/// result does not fit.
pub fn mul_div(value: i128, numerator: u128, denominator: u128) -> Option<i128> {
    let magnitude = value.unsigned_abs();
    let quotient = match magnitude.checked_mul(numerator) {
        Some(product) => product.checked_div(denominator)?,
        None => div_wide(mul_wide(magnitude, numerator), denominator)?,
    };
    let quotient = i128::try_from(quotient).ok()?;
    Some(if value < 0 { -quotient } else { quotient })
}

/// High and low half of the product.
fn mul_wide(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a_high, a_low, b_high, b_low) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let low = a_low * b_low;
    let middle_a = a_high * b_low + (low >> 64);
    let middle_b = a_low * b_high + (middle_a & LOW);
    let high = a_high * b_high + (middle_a >> 64) + (middle_b >> 64);
    (high, (middle_b << 64) | (low & LOW))
}

/// Long division, bit by bit: a closing fill needs it once, and only for sums beyond 38 digits.
fn div_wide((high, low): (u128, u128), denominator: u128) -> Option<u128> {
    if denominator == 0 || high >= denominator {
        return None;
    }
    let (mut rest, mut quotient) = (high, 0u128);
    for bit in (0..128).rev() {
        let carry = rest >> 127 != 0;
        rest = (rest << 1) | ((low >> bit) & 1);
        quotient <<= 1;
        if carry || rest >= denominator {
            rest = rest.wrapping_sub(denominator);
            quotient |= 1;
        }
    }
    Some(quotient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert_eq!(mul_div(7, 3, 2), Some(10));
        assert_eq!(mul_div(-7, 3, 2), Some(-10));
        assert_eq!(mul_div(7, 3, 0), None);
        assert_eq!(mul_div(i128::MAX, u128::MAX, 0), None);
        assert_eq!(mul_div(i128::MAX, u128::MAX, u128::MAX), Some(i128::MAX));
        assert_eq!(mul_div(i128::MAX, 3, 2), None);
        // 10^30 * 2 * 10^30 / (3 * 10^30) = 666...6, cut.
        let ten30 = 10i128.pow(30);
        let (twice, thrice) = (2 * ten30 as u128, 3 * ten30 as u128);
        assert_eq!(mul_div(ten30, twice, thrice), Some(666_666_666_666_666_666_666_666_666_666));
        assert_eq!(mul_div(-ten30, twice, thrice), Some(-666_666_666_666_666_666_666_666_666_666));
    }

    proptest! {
        #[test]
        fn quotient_and_rest_make_the_product_again(a: u128, b: u128, d in 1u128..) {
            let (high, low) = mul_wide(a, b);
            prop_assume!(high < d);
            let quotient = div_wide((high, low), d).unwrap();
            let (back_high, back_low) = mul_wide(quotient, d);
            // product - quotient * d is the rest: not negative and below d.
            prop_assert!((back_high, back_low) <= (high, low));
            let (rest_low, borrow) = low.overflowing_sub(back_low);
            let rest_high = high - back_high - u128::from(borrow);
            prop_assert_eq!(rest_high, 0);
            prop_assert!(rest_low < d);
        }
    }
}
