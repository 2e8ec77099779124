//! Which machine this is: a figure means nothing without it.

use serde::Serialize;
use std::fs;

/// The machine that something is measured on. What the system does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Model of its processors.
    pub processor: Option<String>,
    /// Processors that this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Name and version of the operating system.
    pub system: Option<String>,
    /// Processes that were running or wanted to, in the mean of the last minute: above 0 the
    /// measured ones were not alone.
    pub load: Option<f64>,
}

impl Machine {
    /// This one, now.
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        Machine {
            processor: read("/proc/cpuinfo").and_then(|text| value(&text, "model name", ':')),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: read("/proc/meminfo").and_then(|text| memory(&text)),
            system: read("/etc/os-release").and_then(|text| value(&text, "PRETTY_NAME", '=')),
            load: read("/proc/loadavg")
                .and_then(|text| text.split_whitespace().next()?.parse().ok()),
        }
    }

    /// The machine in one line.
    pub fn describe(&self) -> String {
        let unknown = |what: &str| format!("unknown {what}");
        let memory = self.memory_bytes.map_or_else(
            || unknown("memory"),
            |bytes| format!("{:.1} GB of memory", bytes as f64 * 1e-9),
        );
        format!(
            "{}, {} {}, {memory}, {}, load {} at the start",
            self.processor.clone().unwrap_or_else(|| unknown("processor")),
            self.cores,
            if self.cores == 1 { "core" } else { "cores" },
            self.system.clone().unwrap_or_else(|| unknown("system")),
            self.load.map_or_else(|| "unknown".to_string(), |load| format!("{load:.1}")),
        )
    }
}

/// The value behind the first line with this key, without its quotes.
fn value(text: &str, key: &str, separator: char) -> Option<String> {
    let (_, value) = text
        .lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(found, _)| found.trim() == key)?;
    Some(value.trim().trim_matches('"').to_string())
}

/// The bytes of the line `MemTotal:   1234 kB`.
fn memory(text: &str) -> Option<u64> {
    let kibibytes: u64 = value(text, "MemTotal", ':')?.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_read() {
        assert_eq!(
            value(
                "processor\t: 0\nmodel name\t: A CPU: fast\nmodel name\t: B\n",
                "model name",
                ':'
            )
            .as_deref(),
            Some("A CPU: fast")
        );
        assert_eq!(
            value("NAME=\"X\"\nPRETTY_NAME=\"X 12 (y)\"\n", "PRETTY_NAME", '=').as_deref(),
            Some("X 12 (y)")
        );
        assert_eq!(memory("MemTotal:       24000000 kB\nMemFree: 1 kB\n"), Some(24_576_000_000));
        assert_eq!(memory("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn a_machine_that_tells_nothing_is_described_all_the_same() {
        let known = Machine {
            processor: Some("A CPU".to_string()),
            cores: 2,
            memory_bytes: Some(24_576_000_000),
            system: Some("X 12".to_string()),
            load: Some(0.25),
        };
        assert_eq!(
            known.describe(),
            "A CPU, 2 cores, 24.6 GB of memory, X 12, load 0.2 at the start"
        );
        let unknown =
            Machine { processor: None, cores: 1, memory_bytes: None, system: None, load: None };
        assert_eq!(
            unknown.describe(),
            "unknown processor, 1 core, unknown memory, unknown system, load unknown at the start"
        );
    }
}
