//! Sides of a book as lists of levels, best first: what changed from one to the next.

#![forbid(unsafe_code)]

use crate::sim::SimLevel;
use crate::types::Side;
use rust_decimal::Decimal;

/// What turns `old` into `new`, best price first; zero removes. Both are sorted best first.
pub(super) fn differences(side: Side, old: &[SimLevel], new: &[SimLevel]) -> Vec<SimLevel> {
    let better = |a: Decimal, b: Decimal| if side == Side::Buy { a > b } else { a < b };
    let (mut old, mut new) = (old, new);
    let mut out = Vec::new();
    loop {
        match (old, new) {
            ([], []) => return out,
            ([(price, _), rest @ ..], []) => {
                out.push((*price, Decimal::ZERO));
                old = rest;
            }
            ([], [level, rest @ ..]) => {
                out.push(*level);
                new = rest;
            }
            ([was, old_rest @ ..], [is, new_rest @ ..]) => {
                if was.0 == is.0 {
                    if was.1 != is.1 {
                        out.push(*is);
                    }
                    (old, new) = (old_rest, new_rest);
                } else if better(was.0, is.0) {
                    out.push((was.0, Decimal::ZERO));
                    old = old_rest;
                } else {
                    out.push(*is);
                    new = new_rest;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(levels: &[(i64, i64)]) -> Vec<SimLevel> {
        levels.iter().map(|&(price, qty)| (price.into(), qty.into())).collect()
    }

    #[test]
    fn differences_name_each_level_that_left_entered_or_changed() {
        let old = side(&[(10, 1), (9, 2), (8, 3)]);
        let new = side(&[(11, 4), (10, 1), (8, 5)]);
        assert_eq!(differences(Side::Buy, &old, &new), side(&[(11, 4), (9, 0), (8, 5)]));
        let (old, new) = (side(&[(1, 1), (3, 1)]), side(&[(2, 1), (3, 1), (4, 1)]));
        assert_eq!(differences(Side::Sell, &old, &new), side(&[(1, 0), (2, 1), (4, 1)]));
        assert_eq!(differences(Side::Sell, &old, &old), []);
    }
}
