//! Times as RFC 3339 has them.

use crate::syscall::print::civil;

/// `2026-11-21T18:12:56.123456789Z`, of ns since 1970.
pub(super) fn rfc3339(utc_ns: i128) -> String {
    const NS: i128 = 1_000_000_000;
    let seconds = i64::try_from(utc_ns.div_euclid(NS)).unwrap_or(0);
    let (year, month, day) = civil(seconds.div_euclid(86400));
    let second = seconds.rem_euclid(86400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        utc_ns.rem_euclid(NS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_nanoseconds() {
        let at = rfc3339(1_795_263_889_747_913_982);
        assert_eq!(at, "2026-11-21T12:24:49.747913982Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(
            rfc3339(i128::from(u64::MAX)),
            "2554-07-21T23:34:33.709551615Z"
        );
    }
}
