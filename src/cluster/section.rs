//! What the configuration says of the processes of a job: where each listens, and the secret by
//! which they know each other.

use crate::config::secret::Secret;
use crate::config::secret_file;
use crate::config::types::Config;
use std::net::IpAddr;

/// Characters of a secret at least: whoever listens on the network can try shorter ones at leisure.
const LEAST_SECRET: usize = 16;

/// The port of the first process on this machine, where there is no hostfile; the next ones follow.
const FIRST_PORT: usize = 2101;

impl Config {
    /// Addresses of the processes.
    ///
    /// # Errors
    /// The file cannot be read, or has not one line for each process: a sentence for the key
    /// `hostfile`.
    pub fn hosts(&self) -> Result<Vec<String>, String> {
        let Some(path) = &self.hostfile else {
            return Ok((0..self.processes)
                .map(|process| format!("localhost:{}", FIRST_PORT + process))
                .collect());
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        let hosts: Vec<String> = text
            .lines()
            .map(|line| line.trim().to_string())
            .filter(|line| !line.is_empty())
            .collect();
        if let Some(bad) = hosts.iter().find(|host| !is_address(host)) {
            return Err(format!("expected host:port on each line, not {bad:?}"));
        }
        if let Some((_, host)) =
            hosts.iter().enumerate().find(|(line, host)| hosts[..*line].contains(host))
        {
            return Err(format!(
                "expected an address of its own for each process, and {host} is there twice"
            ));
        }
        match hosts.len() == self.processes {
            true => Ok(hosts),
            false => Err(format!(
                "expected a line for each of the {} processes, found {}",
                self.processes,
                hosts.len()
            )),
        }
    }

    /// What the processes know each other by; empty where all are on this machine and none is
    /// given.
    ///
    /// # Errors
    /// The file cannot be read, or what is in it is too short: a sentence for the key
    /// `cluster.secret_file`.
    pub fn cluster_secret(&self) -> Result<Secret, String> {
        let Some(path) = &self.cluster.secret_file else { return Ok(Secret::default()) };
        let secret = secret_file(path)?;
        match secret.expose().chars().count() {
            LEAST_SECRET.. => Ok(secret),
            found => Err(format!(
                "expected at least {LEAST_SECRET} characters, as `openssl rand -hex 32` makes \
                 them, found {found}"
            )),
        }
    }
}

/// What is wrong with number, addresses and secret: (key, problem).
pub fn faults(config: &Config) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    if config.process >= config.processes {
        faults.push((
            "process",
            format!(
                "expected less than `processes`, which is {}: the first process is 0",
                config.processes
            ),
        ));
    }
    faults.extend(config.cluster_secret().err().map(|problem| ("cluster.secret_file", problem)));
    match config.hosts() {
        Err(problem) => faults.push(("hostfile", problem)),
        Ok(hosts) if config.processes > 1 && config.cluster.secret_file.is_none() => {
            let exposed = hosts.iter().find(|host| !is_loopback(host));
            faults.extend(exposed.map(|host| {
                let problem = format!(
                    "others can reach {host}: set cluster.secret_file to a file that holds the \
                     same secret on each machine, as \
                     `openssl rand -hex 32` makes it, or list only loopback addresses such as \
                     127.0.0.1:{FIRST_PORT}"
                );
                ("hostfile", problem)
            }));
        }
        Ok(_) => {}
    }
    faults
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok()
    })
}

/// Whether nobody but this machine can reach the address. A name other than localhost may mean
/// anything tomorrow.
fn is_loopback(address: &str) -> bool {
    let Some((host, _)) = address.rsplit_once(':') else { return false };
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    literal.eq_ignore_ascii_case("localhost")
        || literal.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_nobody_else_can_reach_are_loopback() {
        for address in [
            "localhost:1",
            "LocalHost:1",
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(address), "{address}");
        }
        for address in [
            "10.0.0.1:1",
            "0.0.0.0:1",
            "[::]:1",
            "[fe80::1]:1",
            "localhost.example.org:1",
            "127.0.0.1.example.org:1",
            "sluice-0:1",
            "127:1",
        ] {
            assert!(!is_loopback(address), "{address}");
        }
    }

    #[test]
    fn an_address_is_one_host_and_one_port() {
        for (text, is) in [
            ("a:1", true),
            ("[::1]:2101", true),
            ("a", false),
            (":1", false),
            ("a:b", false),
            ("a:65536", false),
            ("a:1 b:2", false),
        ] {
            assert_eq!(is_address(text), is, "{text}");
        }
    }
}
