//! What the documentation says of metrics, and whether a page of a process says the same.

use std::collections::BTreeMap;

/// What the documentation says of a metric.
#[derive(Clone, Debug)]
pub(crate) struct Documented {
    /// The heading that it stands under.
    pub(crate) section: String,
    pub(crate) kind: String,
    pub(crate) unit: String,
    pub(crate) labels: Vec<String>,
}

/// Each metric of the documentation, by name.
pub(crate) fn documented() -> BTreeMap<String, Documented> {
    let mut section = String::new();
    let mut found = BTreeMap::new();
    for line in include_str!("../../../docs/metrics.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
        } else if line.starts_with("| `workflow_") {
            let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
            let labels = cells[4].split(", ").filter(|label| *label != "none");
            let mut labels: Vec<String> = labels.map(str::to_owned).collect();
            labels.sort_unstable();
            let (kind, unit) = (cells[2].clone(), cells[3].clone());
            let before =
                found.insert(cells[1].clone(), Documented { section: section.clone(), kind, unit, labels });
            assert!(before.is_none(), "{} is documented twice", cells[1]);
        }
    }
    assert!(found.len() > 25, "{found:?}");
    found
}

/// A series of a page: its name and the names of its labels.
pub(crate) type Series = (String, Vec<String>);

/// The types of the metrics of a page, and its series.
pub(crate) fn parsed(page: &str) -> (BTreeMap<&str, &str>, Vec<Series>) {
    let mut types = BTreeMap::new();
    let mut series = Vec::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap();
            types.insert(name, of);
        } else if !line.starts_with('#') {
            let (series_and_labels, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series_and_labels.split_once('{').unwrap_or((series_and_labels, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty());
            let names = labels.map(|label| label.split_once('=').unwrap().0.to_owned()).collect();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            series.push((name.to_owned(), names));
        }
    }
    (types, series)
}

/// Every metric of a page is documented, with its type and its labels.
pub(crate) fn assert_documented(page: &str, documented: &BTreeMap<String, Documented>) {
    let (types, series) = parsed(page);
    for (name, of) in types.iter().filter(|(name, _)| **name != "target_info") {
        let said = documented.get(*name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(said.kind, *of, "{name}");
    }
    for (name, labels) in series.iter().filter(|(name, _)| name != "target_info") {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let base = base.filter(|base| types.get(base) == Some(&"histogram")).unwrap_or(name);
        let mut labels: Vec<&str> = labels.iter().map(|label| &**label).filter(|it| *it != "le").collect();
        labels.sort_unstable();
        assert_eq!(labels, documented[base].labels, "{name}");
    }
}
