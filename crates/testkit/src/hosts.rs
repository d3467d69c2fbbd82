//! Hosts of their own on this machine: network namespaces on one switch, between which links can be cut.

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::File,
    net::Ipv4Addr,
    os::fd::AsFd,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

/// Hosts that reach each other and nothing else. Needs root and `ip`; what it made is removed when it is dropped, so what
/// was started on the hosts must have ended by then.
#[derive(Debug)]
pub struct Hosts {
    /// Names are unique to the process and the value.
    prefix: String,
    count: u8,
}

impl Hosts {
    /// Makes hosts 1 to `count`, all connected.
    pub fn new(name: &str, count: u8) -> Result<Self> {
        ensure!((1..=9).contains(&count), "1 to 9 hosts");
        let hosts = Self { prefix: format!("hw{}{name}", std::process::id()), count };
        hosts
            .make()
            .context("network namespaces cannot be made here: that needs root and the program `ip`")?;
        Ok(hosts)
    }

    fn make(&self) -> Result<()> {
        let switch = self.name(0);
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "switch", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "switch", "up"])?;
        for host in 1..=self.count {
            let (name, port, address) = (self.name(host), port(host), format!("{}/24", self.address(host)));
            ip(&["netns", "add", &name])?;
            let peer = ["peer", "name", "eth0", "netns", &name];
            let link = ["-n", &switch, "link", "add", &port, "type", "veth"];
            ip(&[&link[..], &peer[..]].concat())?;
            ip(&["-n", &switch, "link", "set", &port, "master", "switch", "up"])?;
            ip(&["-n", &name, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &name, "link", "set", "eth0", "up"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
        }
        (1..=self.count).try_for_each(|host| self.wait_until_connected(host))
    }

    /// The kernel tells a link's two ends and the switch that it is up by a worker of its own, after `ip` has returned.
    /// Until then packets are lost, and the next attempt at a lost packet comes a second later.
    fn wait_until_connected(&self, host: u8) -> Result<()> {
        let (switch, name, port) = (self.name(0), self.name(host), port(host));
        for _ in 0..1000 {
            let forwards =
                ip(&["-n", &switch, "-j", "-d", "link", "show", &port])?.contains(r#""state":"forwarding""#);
            if forwards && ip(&["-n", &name, "-j", "link", "show", "eth0"])?.contains(r#""operstate":"UP""#) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("host {host} is not connected long after its link was set up")
    }

    /// Where a host is reached by the others.
    pub fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, 7, host)
    }

    /// Cuts a host off from all others, as a pulled cable does, or connects it again.
    pub fn connect(&self, host: u8, connected: bool) -> Result<()> {
        ip(&["-n", &self.name(0), "link", "set", &port(host), if connected { "up" } else { "down" }])?;
        if connected { self.wait_until_connected(host) } else { Ok(()) }
    }

    /// Runs `work` on a thread of a host. What it starts, threads and processes, is on that host too.
    pub fn run<T: Send>(&self, host: u8, work: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace = File::open(Path::new("/var/run/netns").join(self.name(host)))?;
        let on_host = || -> Result<T> {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        };
        thread::scope(|scope| match scope.spawn(on_host).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// A command that runs on a host. Its process id is that of the program.
    pub fn command(&self, host: u8, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host)]).arg(program);
        command
    }

    /// 0: the switch.
    fn name(&self, host: u8) -> String {
        format!("{}-{host}", self.prefix)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in (0..=self.count).rev() {
            // One that was not made is not there to be removed.
            let _ = ip(&["netns", "del", &self.name(host)]);
        }
    }
}

fn port(host: u8) -> String {
    format!("port{host}")
}

/// What `ip` printed.
fn ip(arguments: &[&str]) -> Result<String> {
    let Output { status, stdout, stderr } = Command::new("ip").args(arguments).output()?;
    if status.success() {
        return Ok(String::from_utf8(stdout)?);
    }
    bail!("ip {}: {status}: {}", arguments.join(" "), String::from_utf8_lossy(&stderr).trim());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn hosts_reach_each_other_until_they_are_cut_off_and_leave_nothing_behind() {
        let hosts = Hosts::new("t", 2).unwrap();
        let listener = hosts.run(1, || TcpListener::bind((hosts.address(1), 4000)).unwrap()).unwrap();
        let to = (hosts.address(1), 4000).into();
        // Time for packets that are sent again; whoever is cut off is not reached in any time.
        let connect = || TcpStream::connect_timeout(&to, Duration::from_secs(10));
        let cut_off = || TcpStream::connect_timeout(&to, Duration::from_millis(500));
        hosts.run(2, || connect().unwrap().write_all(b"x")).unwrap().unwrap();
        let mut byte = [0];
        listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
        hosts.connect(1, false).unwrap();
        assert!(hosts.run(2, cut_off).unwrap().is_err(), "cut off");
        hosts.connect(1, true).unwrap();
        assert!(hosts.run(2, connect).unwrap().is_ok(), "connected again");
        let names = [hosts.name(0), hosts.name(1), hosts.name(2)];
        drop(hosts);
        assert!(names.iter().all(|name| !Path::new("/var/run/netns").join(name).exists()));
    }
}
