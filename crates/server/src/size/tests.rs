use super::*;

const PRICES: Prices = Prices { gib_month: 0.023, thousand_puts: 0.005 };

/// The ladder of the tutorial.
fn tutorial() -> Input {
    Input {
        bitrates: vec![2_500_000, 1_500_000, 750_000],
        segment_s: 2.5,
        hot_s: 300,
        dvr_s: vec![3600, 7 * 86_400],
        channels: 1,
        viewers: 100,
        nodes: 2,
        prices: PRICES,
    }
}

#[test]
fn the_tutorials_ladder() {
    let plan = plan(&tutorial());
    let classes: Vec<u64> = plan.renditions.iter().map(|r| r.class_bytes / KIB).collect();
    assert_eq!(classes, [850, 500, 250]);
    let objects: Vec<u64> = plan.renditions.iter().map(|r| r.object_bytes).collect();
    assert_eq!(objects, [781_250, 468_750, 234_375]);
    assert_eq!(plan.hot_segments, 120);
    assert_eq!(plan.hot_bytes_exact, 1600 * KIB * 120);
    assert_eq!(plan.hot_capacity_bytes, 200 << 20);
}

#[test]
fn disk_s3_and_bandwidth_of_the_tutorials_ladder() {
    let plan = plan(&tutorial());
    let [hour, week] = &plan.dvr[..] else { panic!("two windows") };
    assert_eq!(hour.bytes, 1600 * KIB * 1440);
    assert_eq!(week.bytes, hour.bytes * 24 * 7);
    assert_eq!(week.disk_bytes_per_zone, week.bytes / 100 * 109 + week.bytes % 100);
    // 54,000 MiB a day are 843.75 packs; two nodes and 144 intervals add 288.
    assert_eq!(week.s3_puts_per_day, 844 + 288);
    assert_eq!(week.s3_packs, 5907 + 2 * 1008);
    assert!((week.s3_storage_usd_per_month - 369.140_625 * 0.023).abs() < 1e-9);
    assert!((week.s3_puts_usd_per_month - 1.132 * 0.005 * 30.0).abs() < 1e-9);
    assert_eq!(plan.bandwidth.ingest_bps, 1600.0 * 1024.0 * 8.0 / 2.5);
    assert_eq!(plan.bandwidth.replication_bps, plan.bandwidth.ingest_bps);
    assert_eq!(plan.bandwidth.viewers_bps, 100.0 * 850.0 * 1024.0 * 8.0 / 2.5);
    // 655,360 B/s for (4 + 2.5) s, twice.
    assert_eq!(plan.ingest_budget_bytes, 8_519_680);
}

#[test]
fn everything_grows_with_the_channels_and_nothing_overflows() {
    let one = plan(&tutorial());
    let ten = plan(&Input { channels: 10, ..tutorial() });
    assert_eq!(ten.hot_bytes_exact, one.hot_bytes_exact * 10);
    assert_eq!(ten.dvr[1].bytes, one.dvr[1].bytes * 10);
    let huge = Input {
        bitrates: vec![1_000_000_000_000; 20],
        segment_s: 0.1,
        hot_s: 400 * 86_400,
        channels: u64::MAX,
        viewers: u64::MAX,
        nodes: u64::MAX,
        dvr_s: vec![400 * 86_400],
        prices: PRICES,
    };
    // The arithmetic saturates instead of starting again at zero.
    assert!(plan(&huge).hot_bytes_exact > 1 << 63);
}

#[test]
fn a_class_is_never_smaller_than_its_object_and_at_most_a_fifth_larger_from_5_kib_on() {
    let mut object = 1;
    while object < 64 << 20 {
        let class = class_bytes(object);
        assert!(class >= object, "{object} B: {class}");
        assert_eq!(class % KIB, 0);
        if object >= 5 * KIB {
            assert!(class <= object + object / 5 + KIB, "{object} B: {class}");
        }
        object += object / 97 + 1;
    }
    // At the edges of the steps.
    assert_eq!(class_bytes(0), 0);
    assert_eq!(class_bytes(1), KIB);
    assert_eq!(class_bytes(250 * KIB - 1), 250 * KIB);
    assert_eq!(class_bytes(250 * KIB), 300 * KIB);
}

#[test]
fn hot_capacities_are_rounded_up() {
    assert_eq!(hot_capacity(0), 0);
    assert_eq!(hot_capacity(1), HOT_STEP_BYTES);
    assert_eq!(hot_capacity(100 << 20), 110 << 20);
    assert_eq!(hot_capacity((100 << 20) / 105 * 100), 100 << 20);
}

#[test]
fn short_windows_are_not_packed() {
    let at = |window_s| plan(&Input { dvr_s: vec![window_s], ..tutorial() }).dvr.remove(0);
    assert_eq!((at(900).s3_bytes, at(900).s3_puts_per_day, at(900).s3_packs), (0, 0, 0));
    assert!(at(901).s3_bytes > 0 && at(901).s3_packs > 0);
}
