//! The results: as a table for people and as JSON.

use crate::{
    floors,
    live::{Latencies, Load},
    machine, stats,
    target::Kind,
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write};

/// What the closed loops measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Scenario {
    #[serde(rename = "get_500k")]
    Get500K,
    #[serde(rename = "get_4k")]
    Get4K,
    #[serde(rename = "put_500k")]
    Put500K,
}

impl Scenario {
    /// Bytes of the object.
    pub fn bytes(self) -> usize {
        match self {
            Self::Get500K | Self::Put500K => 500 * 1024,
            Self::Get4K => 4 * 1024,
        }
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Get500K => "GET 500 KiB",
            Self::Get4K => "GET 4 KiB",
            Self::Put500K => "PUT 500 KiB",
        }
    }
}

/// One figure of a closed loop.
#[derive(Debug, PartialEq, Serialize)]
pub struct Row {
    pub scenario: Scenario,
    pub target: Kind,
    /// Requests per second of each round.
    pub rounds: Vec<f64>,
    pub median: f64,
    /// Median over nginx's.
    pub ratio: Option<f64>,
    /// Median over that of the earlier build.
    pub before: Option<f64>,
    pub floor: Option<f64>,
    /// Whether the ratio reaches the floor.
    pub pass: Option<bool>,
}

/// Latencies of one operation under live traffic, in milliseconds.
#[derive(Debug, Serialize)]
pub struct LiveRow {
    pub operation: &'static str,
    pub target: Kind,
    pub count: usize,
    pub p50_ms: Option<f64>,
    pub p90_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// Everything that one run found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub processor: String,
    pub rows: Vec<Row>,
    pub load: Load,
    pub live: Vec<LiveRow>,
    /// Failed requests under live traffic.
    pub live_errors: BTreeMap<Kind, Vec<String>>,
}

impl Report {
    /// From the rates of all rounds and the latencies of each target.
    pub fn new(
        rates: BTreeMap<(Scenario, Kind), Vec<f64>>,
        load: Load,
        live: Vec<(Kind, Latencies)>,
    ) -> Self {
        let mut live_rows = Vec::new();
        let mut live_errors = BTreeMap::new();
        for (target, latencies) in live {
            for (operation, values) in [
                ("put_segment", &latencies.put_segment),
                ("put_playlist", &latencies.put_playlist),
                ("get_playlist", &latencies.get_playlist),
                ("get_segment", &latencies.get_segment),
            ] {
                live_rows.push(LiveRow {
                    operation,
                    target,
                    count: values.len(),
                    p50_ms: stats::percentile_ms(values, 50),
                    p90_ms: stats::percentile_ms(values, 90),
                    p99_ms: stats::percentile_ms(values, 99),
                });
            }
            live_errors.insert(target, latencies.errors);
        }
        Self { processor: machine::processor(), rows: rows(rates), load, live: live_rows, live_errors }
    }

    /// Failed requests under live traffic, all targets.
    pub fn error_count(&self) -> usize {
        self.live_errors.values().map(Vec::len).sum()
    }

    /// Whether a ratio is below its floor.
    pub fn is_below_floor(&self) -> bool {
        self.rows.iter().any(|row| row.pass == Some(false))
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut out = format!("{}\n\n", self.processor);
        line(&mut out, ["", "target", "requests/s", "MB/s", "x nginx", "floor", "", "x before"]);
        for row in &self.rows {
            let verdict = row.pass.map_or("", |pass| if pass { "pass" } else { "below" });
            line(
                &mut out,
                [
                    row.scenario.title(),
                    &row.target.to_string(),
                    &format!("{:.0}", row.median),
                    &format!("{:.0}", row.median * row.scenario.bytes() as f64 / 1e6),
                    &number(row.ratio, 2),
                    &number(row.floor, 2),
                    verdict,
                    &number(row.before, 2),
                ],
            );
        }
        let Load { renditions, viewers_per_rendition, segment_bytes, seconds } = self.load;
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            out,
            "\nlive: {renditions} renditions, {viewers_per_rendition} viewers each, segments of {} KiB, {seconds} s",
            segment_bytes / 1024
        );
        line(&mut out, ["", "target", "requests", "p50 ms", "p90 ms", "p99 ms", "", ""]);
        for row in &self.live {
            let (count, target) = (row.count.to_string(), row.target.to_string());
            let [p50, p90, p99] = [row.p50_ms, row.p90_ms, row.p99_ms].map(|value| number(value, 2));
            line(&mut out, [row.operation, &target, &count, &p50, &p90, &p99, "", ""]);
        }
        for (target, errors) in &self.live_errors {
            if let Some(first) = errors.first() {
                let _ = writeln!(out, "{target}: {} requests failed, the first: {first}", errors.len());
            }
        }
        out
    }
}

/// One row for each scenario and target, with its ratios to nginx and to the earlier build in the same scenario.
fn rows(rates: BTreeMap<(Scenario, Kind), Vec<f64>>) -> Vec<Row> {
    let medians: BTreeMap<(Scenario, Kind), f64> =
        rates.iter().map(|(measured, rounds)| (*measured, stats::median(rounds))).collect();
    rates
        .into_iter()
        .map(|((scenario, target), rounds)| {
            let median = stats::median(&rounds);
            let over = |other| medians.get(&(scenario, other)).map(|other| median / other);
            let ratio = over(Kind::Nginx).filter(|_| target != Kind::Nginx);
            let before = target.before().and_then(over);
            let floor = floors::of(scenario, target);
            let pass = ratio.zip(floor).map(|(ratio, floor)| ratio >= floor);
            Row { scenario, target, rounds, median, ratio, before, floor, pass }
        })
        .collect()
}

/// Titles to the left, figures to the right.
fn line(out: &mut String, [title, target, columns @ ..]: [&str; 8]) {
    let _ = write!(out, "{title:<13} {target:<14}");
    for column in columns {
        let _ = write!(out, " {column:>10}");
    }
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map(|value| format!("{value:.decimals$}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn report() -> Report {
        let rates = BTreeMap::from([
            ((Scenario::Get500K, Kind::Nginx), vec![900.0, 1000.0, 1100.0]),
            ((Scenario::Get500K, Kind::Dev), vec![1000.0, 5.0, 9000.0]),
            ((Scenario::Get500K, Kind::DevBefore), vec![800.0; 3]),
            ((Scenario::Get500K, Kind::Cluster), vec![249.0; 3]),
        ]);
        let load = Load { renditions: 2, viewers_per_rendition: 1, segment_bytes: 2048, seconds: 3 };
        let put_segment = vec![Duration::from_millis(1), Duration::from_millis(3)];
        let dev = Latencies { put_segment, errors: vec!["status 503".to_owned()], ..Latencies::default() };
        Report::new(rates, load, vec![(Kind::Dev, dev)])
    }

    #[test]
    fn ratios_are_of_medians_and_judged_at_the_floor() {
        let report = report();
        let judged: Vec<_> =
            report.rows.iter().map(|row| (row.target, row.ratio, row.before, row.pass)).collect();
        assert_eq!(
            judged,
            [
                (Kind::Nginx, None, None, None),
                (Kind::Dev, Some(1.0), Some(1.25), Some(true)),
                (Kind::DevBefore, Some(0.8), None, None),
                (Kind::Cluster, Some(0.249), None, Some(false))
            ]
        );
        assert!(report.is_below_floor());
        assert_eq!(report.error_count(), 1);
    }

    #[test]
    fn the_table_shows_it_all() {
        let table = report().table();
        let has = |line: &str| assert!(table.lines().any(|have| have == line), "{line:?} is not in\n{table}");
        has("GET 500 KiB   dev                  1000        512       1.00       0.80       pass       1.25");
        has("GET 500 KiB   dev before            800        410       0.80");
        has("GET 500 KiB   cluster               249        127       0.25       0.25      below");
        has("put_segment   dev                     2       1.00       3.00       3.00");
        has("get_segment   dev                     0");
        has("dev: 1 requests failed, the first: status 503");
    }
}
