//! Metrics of the process itself, read from `/proc/self` at each scrape (proc(5)); absent where there is no `/proc`.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use std::{fmt, fs};

/// Ticks a second in `/proc/self/stat`: `USER_HZ`, which Linux keeps at 100 on every architecture this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self`. Names and meanings are those of the Prometheus client libraries.
#[derive(Debug)]
pub struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(bytes) = resident_bytes() {
            let metric = ConstGauge::new(bytes);
            put(&mut encoder, "process_resident_memory_bytes", "Resident memory size in bytes", &metric)?;
        }
        if let Some(count) = open_fds() {
            put(
                &mut encoder,
                "process_open_fds",
                "Number of open file descriptors",
                &ConstGauge::new(count),
            )?;
        }
        if let Some(times) = Times::read() {
            let cpu = ConstCounter::new(times.cpu_seconds);
            put(&mut encoder, "process_cpu_seconds", "User and system CPU time spent in seconds", &cpu)?;
            let start = ConstGauge::new(times.start_seconds);
            put(
                &mut encoder,
                "process_start_time_seconds",
                "Start time since the Unix epoch in seconds",
                &start,
            )?;
        }
        Ok(())
    }
}

fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> Result<(), fmt::Error> {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib: i64 =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn open_fds() -> Option<i64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the listing's own.
    i64::try_from(entries.saturating_sub(1)).ok()
}

/// What `/proc/self/stat` says about time.
#[derive(Debug)]
struct Times {
    cpu_seconds: f64,
    start_seconds: f64,
}

impl Times {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let boot_seconds: f64 = boot.lines().find_map(|l| l.strip_prefix("btime "))?.trim().parse().ok()?;
        Self::parse(&stat, boot_seconds)
    }

    /// The second field, the command, may hold spaces and brackets: fields are counted from the last `)`.
    fn parse(stat: &str, boot_seconds: f64) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let seconds = |field: usize| Some(fields.get(field - 3)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
        Some(Self { cpu_seconds: seconds(14)? + seconds(15)?, start_seconds: boot_seconds + seconds(22)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_command_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4 100 0 0 0 250 50 0 0 20 0 9 0 12345 1 2";
        let times = Times::parse(stat, 1_000.0).unwrap();
        assert!((times.cpu_seconds - 3.0).abs() < 1e-9, "{times:?}");
        assert!((times.start_seconds - 1_123.45).abs() < 1e-9, "{times:?}");
    }

    #[test]
    fn this_process_uses_memory_and_files() {
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(open_fds().unwrap() >= 3, "standard input, output and error");
        assert!(Times::read().unwrap().start_seconds > 1_600_000_000.0);
    }
}
