//! Results, their bounds, and how they are shown.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// One measured value.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_most: Option<f64>,
}

/// All results of a call.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) results: Vec<Measured>,
}

impl Measured {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value: rounded(value),
            unit: unit.to_owned(),
            at_least: None,
            at_most: None,
        }
    }

    pub(crate) fn at_least(mut self, bound: f64) -> Self {
        self.at_least = Some(bound);
        self
    }

    pub(crate) fn at_most(mut self, bound: f64) -> Self {
        self.at_most = Some(bound);
        self
    }

    fn misses(&self) -> bool {
        self.at_least.is_some_and(|bound| self.value < bound)
            || self.at_most.is_some_and(|bound| self.value > bound)
    }

    fn bound(&self) -> String {
        match (self.at_least, self.at_most) {
            (Some(bound), _) => format!("at least {bound}"),
            (None, Some(bound)) => format!("at most {bound}"),
            (None, None) => String::new(),
        }
    }
}

impl Report {
    /// The results as lines of a table.
    pub(crate) fn table(&self) -> String {
        let width = self.results.iter().map(|each| each.name.len()).max().unwrap_or_default();
        let mut table = String::new();
        for each in &self.results {
            let mark = if each.misses() { "MISSED" } else { "" };
            let line = format!(
                "{:width$}  {:>12}  {:<18} {:<14} {mark}",
                each.name,
                each.value,
                each.unit,
                each.bound()
            );
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }

    /// The results that miss their bound.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &Measured> {
        self.results.iter().filter(|each| each.misses())
    }
}

/// Four significant digits are more than a measurement gives.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    let scale = 10f64.powi(digits.max(0));
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_the_wrong_side_of_its_bound_is_missed() {
        let report = Report {
            results: vec![
                Measured::new("slow", 0.59, "ratio").at_least(0.6),
                Measured::new("fast", 0.61, "ratio").at_least(0.6),
                Measured::new("busy", 0.51, "percent").at_most(0.5),
                Measured::new("free", 7.0, "ms"),
            ],
        };
        let missed: Vec<&str> = report.missed().map(|each| each.name.as_str()).collect();
        assert_eq!(missed, ["slow", "busy"]);
    }

    #[test]
    fn values_keep_four_digits() {
        assert_eq!(Measured::new("n", 123_456.7, "").value, 123_457.0);
        assert_eq!(Measured::new("n", 0.012_345_6, "").value, 0.012_35);
    }
}
