//! From sampled objects to all of them.

/// Objects and bytes for which `count` samples with `size` bytes stand, where one sample is taken
/// each `rate` bytes on average: an object of `n` bytes is sampled with probability
/// `1 - exp(-n / rate)`.
///
/// The computation is that of `scaleHeapSample` in runtime/pprof/protomem.go (Go 1.19 to 1.27), in
/// the same order and rounding, so that results are equal.
#[must_use]
pub fn unsampled(count: u64, size: u64, rate: u64) -> (u64, u64) {
    if count == 0 || size == 0 {
        return (0, 0);
    }
    if rate <= 1 {
        return (count, size);
    }
    let mean = size as f64 / count as f64;
    let scale = 1.0 / (1.0 - (-mean / rate as f64).exp());
    ((count as f64 * scale) as u64, (size as f64 * scale) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_objects_stand_for_many_and_large_ones_for_themselves() {
        assert_eq!(unsampled(0, 0, 512 << 10), (0, 0));
        assert_eq!(unsampled(3, 300, 0), (3, 300));
        assert_eq!(unsampled(3, 300, 1), (3, 300));
        let (count, size) = unsampled(1, 16, 512 << 10);
        assert_eq!((count, size), (32768, 524_296), "16 bytes, once in 512 KiB");
        assert_eq!(unsampled(2, 200 << 20, 512 << 10), (2, 200 << 20));
    }

    #[test]
    fn nonsense_is_computed_without_a_panic() {
        for count in [1, u64::MAX] {
            for size in [1, u64::MAX] {
                for rate in [2, u64::MAX] {
                    let _ = unsampled(count, size, rate);
                }
            }
        }
    }
}
