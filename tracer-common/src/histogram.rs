//! The log-linear histogram that kernel and user side share.
//!
//! Values are ns. Four buckets per power of two: a bucket's width is at most a quarter of its lower
//! bound, so a quantile read from the middle of its bucket is off by at most 12.5 %.

/// Buckets. The last one takes everything from about 19 minutes.
pub const BUCKETS: usize = 160;

/// Bucket of a value.
#[inline(always)]
#[must_use]
pub const fn bucket(value: u64) -> usize {
    if value < 4 {
        return value as usize;
    }
    let octave = log2(value);
    let index = (octave - 1) * 4 + ((value >> (octave - 2)) & 3);
    if index < BUCKETS as u64 {
        index as usize
    } else {
        BUCKETS - 1
    }
}

/// Smallest value of a bucket.
#[must_use]
pub const fn lower_bound(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let octave = bucket as u64 / 4 + 1;
    (1 << octave) + (bucket as u64 % 4) * (1 << (octave - 2))
}

/// Floor of the base-2 logarithm; `value` must not be 0. Six compares, since BPF counts no leading
/// zeros in hardware.
#[inline(always)]
const fn log2(mut value: u64) -> u64 {
    let mut log = 0;
    if value >= 1 << 32 {
        value >>= 32;
        log += 32;
    }
    if value >= 1 << 16 {
        value >>= 16;
        log += 16;
    }
    if value >= 1 << 8 {
        value >>= 8;
        log += 8;
    }
    if value >= 1 << 4 {
        value >>= 4;
        log += 4;
    }
    if value >= 1 << 2 {
        value >>= 2;
        log += 2;
    }
    if value >= 1 << 1 {
        log += 1;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_buckets_agree() {
        for b in 0..BUCKETS {
            assert_eq!(bucket(lower_bound(b)), b);
            if b > 0 {
                assert_eq!(bucket(lower_bound(b) - 1), b - 1);
                assert!(lower_bound(b) > lower_bound(b - 1));
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_bucket_is_at_most_a_quarter_of_its_lower_bound_wide() {
        for b in 4..BUCKETS - 1 {
            assert!((lower_bound(b + 1) - lower_bound(b)) * 4 <= lower_bound(b));
        }
    }
}
