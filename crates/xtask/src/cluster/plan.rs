//! Which processes a cluster has and how each is configured: pure, apart from the addresses that it is given.

use super::{
    Options,
    config::{AccessLog, FirstStart, Frontend, Log, Meta, NAMESPACE, Node},
};
use anyhow::{Context, bail};
use serde::Serialize;
use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The two zones.
const ZONES: [&str; 2] = ["a", "b"];
/// Memory for hot objects, each node.
const HOT_CAPACITY_BYTES: u64 = 512 * 1024 * 1024;
/// Memory for uploads, each frontend.
const INGEST_BUDGET_BYTES: u64 = 256 * 1024 * 1024;

/// What a process is. Also the binary's subcommand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Meta,
    Node,
    Frontend,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Meta => "meta",
            Self::Node => "node",
            Self::Frontend => "frontend",
        })
    }
}

/// One process to start.
#[derive(Debug)]
pub struct Planned {
    pub role: Role,
    pub id: u64,
    /// Voters have none.
    pub zone: Option<&'static str>,
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    /// The text of its configuration file.
    pub config: String,
}

impl Planned {
    /// Unique within the cluster; names its files.
    pub fn name(&self) -> String {
        format!("{}-{}", self.role, self.id)
    }
}

/// A whole cluster, in the order of starting: voters, nodes, frontends.
#[derive(Debug)]
pub struct Plan {
    pub processes: Vec<Planned>,
    /// Written by the first voter when it starts for the first time.
    pub credentials: PathBuf,
}

impl Plan {
    /// How many addresses [`Plan::new`] needs.
    pub fn addresses(options: &Options) -> anyhow::Result<usize> {
        if ![1, 3, 5].contains(&options.meta) {
            bail!("--meta {}: 1, 3 or 5 voters", options.meta);
        }
        if !(1..=16).contains(&options.nodes_per_zone) || !(1..=16).contains(&options.frontends) {
            bail!("--nodes-per-zone and --frontends: 1 to 16 each");
        }
        Ok(2 * (options.meta + ZONES.len() * options.nodes_per_zone + options.frontends))
    }

    /// Lays the cluster out under `dir`, which must be absolute.
    pub fn new(options: &Options, dir: &Path, addresses: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let log = Log { format: "human", filter: options.log.clone() };
        let credentials = dir.join("credentials.json");
        let mut addresses = addresses.into_iter();
        let mut pair = || addresses.next().zip(addresses.next()).context("too few addresses");

        let mut processes = Vec::new();
        let pairs = (0..options.meta).map(|_| pair()).collect::<anyhow::Result<Vec<_>>>()?;
        let voters: Vec<SocketAddr> = pairs.iter().map(|(listen, _)| *listen).collect();
        for (id, (listen, admin)) in (1..).zip(pairs) {
            let founder = id == 1;
            let first_start = FirstStart { namespace: NAMESPACE, credentials_file: credentials.clone() };
            let meta = Meta {
                id,
                data_dir: dir.join(format!("meta-{id}")),
                listen,
                admin_listen: admin,
                advertise: listen,
                bootstrap: founder,
                join: voters.iter().copied().filter(|voter| *voter != listen).collect(),
                first_start: founder.then_some(first_start),
                log: log.clone(),
            };
            let config = toml::to_string(&meta)?;
            processes.push(Planned { role: Role::Meta, id, zone: None, listen, admin, config });
        }

        for (id, zone) in (1..).zip(spread(options.nodes_per_zone * ZONES.len())) {
            let (listen, admin) = pair()?;
            let node = Node {
                id,
                zone,
                data_dir: dir.join(format!("node-{id}")),
                listen,
                advertise: listen,
                admin_listen: admin,
                meta: voters.clone(),
                hot_capacity_bytes: HOT_CAPACITY_BYTES,
                log: log.clone(),
            };
            let config = toml::to_string(&node)?;
            processes.push(Planned { role: Role::Node, id, zone: Some(zone), listen, admin, config });
        }
        for (id, zone) in (1..).zip(spread(options.frontends)) {
            let (listen, admin) = pair()?;
            let frontend = Frontend {
                id,
                zone,
                data_dir: dir.join(format!("frontend-{id}")),
                listen,
                admin_listen: admin,
                meta: voters.clone(),
                ingest_budget_bytes: INGEST_BUDGET_BYTES,
                log: log.clone(),
                access_log: AccessLog { path: "off".to_owned() },
            };
            let config = toml::to_string(&frontend)?;
            processes.push(Planned { role: Role::Frontend, id, zone: Some(zone), listen, admin, config });
        }
        Ok(Self { processes, credentials })
    }
}

/// `count` zones, one after the other.
fn spread(count: usize) -> impl Iterator<Item = &'static str> {
    ZONES.into_iter().cycle().take(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(meta: usize, nodes_per_zone: usize, frontends: usize) -> Options {
        let log = "info,openraft=error".to_owned();
        Options { dir: "/d".into(), meta, nodes_per_zone, frontends, release: false, headwater: None, log }
    }

    #[test]
    fn lays_out_zones_ids_and_addresses() {
        let options = options(1, 2, 3);
        let count = Plan::addresses(&options).unwrap();
        assert_eq!(count, 16);
        let addresses: Vec<SocketAddr> =
            (0..16).map(|port| SocketAddr::from(([127, 0, 0, 1], 20_000 + port))).collect();
        let plan = Plan::new(&options, Path::new("/d \"x\""), addresses.clone()).unwrap();

        let names: Vec<String> =
            plan.processes.iter().map(|p| format!("{}{}", p.name(), p.zone.unwrap_or(""))).collect();
        assert_eq!(
            names,
            [
                "meta-1",
                "node-1a",
                "node-2b",
                "node-3a",
                "node-4b",
                "frontend-1a",
                "frontend-2b",
                "frontend-3a"
            ]
        );
        let used: Vec<SocketAddr> = plan.processes.iter().flat_map(|p| [p.listen, p.admin]).collect();
        assert_eq!(used, addresses);

        let node: toml::Table = plan.processes[2].config.parse().unwrap();
        assert_eq!(node["data_dir"].as_str(), Some("/d \"x\"/node-2"));
        assert_eq!(node["meta"].as_array().unwrap(), &[toml::Value::from("127.0.0.1:20000")]);
        assert_eq!(node["listen"], node["advertise"]);
    }

    #[test]
    fn one_voter_founds_and_the_others_join_it() {
        let options = options(3, 1, 1);
        let count = u16::try_from(Plan::addresses(&options).unwrap()).unwrap();
        let addresses = (0..count).map(|port| SocketAddr::from(([127, 0, 0, 1], 20_000 + port))).collect();
        let plan = Plan::new(&options, Path::new("/d"), addresses).unwrap();
        let configs: Vec<toml::Table> =
            plan.processes.iter().map(|process| process.config.parse().unwrap()).collect();
        let founders: Vec<_> = configs[..3].iter().map(|c| c["bootstrap"].as_bool().unwrap()).collect();
        assert_eq!(founders, [true, false, false]);
        assert!(configs[0].contains_key("first_start") && !configs[1].contains_key("first_start"));
        let join: Vec<_> = configs[2]["join"].as_array().unwrap().iter().filter_map(|a| a.as_str()).collect();
        assert_eq!(join, ["127.0.0.1:20000", "127.0.0.1:20002"]);
        assert_eq!(configs[3]["meta"].as_array().unwrap().len(), 3, "nodes are told of all");
    }

    #[test]
    fn refuses_what_it_cannot_lay_out() {
        for (meta, nodes, frontends) in
            [(0, 1, 1), (2, 1, 1), (7, 1, 1), (1, 0, 1), (1, 17, 1), (1, 1, 0), (1, 1, 17)]
        {
            assert!(Plan::addresses(&options(meta, nodes, frontends)).is_err());
        }
        assert!(Plan::addresses(&options(1, 16, 16)).is_ok());
        assert!(Plan::new(&options(1, 1, 1), Path::new("/d"), Vec::new()).is_err());
    }
}
