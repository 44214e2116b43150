//! The restore recipes of the manual: what of them needs no server. `scripts/recipes-test` runs them.

use std::path::Path;

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(home().join(name)).unwrap()
}

/// YAML as the JSON that it stands for.
fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => Value::from(text.parse::<f64>().unwrap()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Boolean(is) => Value::from(*is),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(map) => {
            map.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), json(value))).collect::<Value>()
        }
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => panic!("not plain YAML"),
    }
}

#[test]
fn the_job_is_one_of_kubernetes() {
    let schema = serde_json::from_str(&read("tests/kubernetes/job.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let documents = YamlLoader::load_from_str(&read("docs/examples/restore-job.yaml")).unwrap();
    assert_eq!(documents.len(), 1);
    let job = json(&documents[0]);
    let errors: Vec<String> =
        schema.iter_errors(&job).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for name in ["apiVersion", "kind", "metadata", "spec"] {
        assert!(job.get(name).is_some(), "{name}");
    }
    // The schema would have told.
    for (place, key, value) in [
        ("/spec", "backOffLimit", Value::from(0)),
        ("/spec/template/spec", "restartPolicy", Value::from(1)),
        ("/spec/template/spec/containers/0", "args", Value::from("text")),
        ("/spec/template/spec/volumes/0/persistentVolumeClaim", "claim", Value::from("x")),
    ] {
        let mut wrong = job.clone();
        wrong.pointer_mut(place).unwrap()[key] = value;
        assert!(!schema.is_valid(&wrong), "{place}/{key}");
    }
    let names = |place: &str| -> Vec<String> {
        let items = job.pointer(place).unwrap().as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut mounted = names("/spec/template/spec/containers/0/volumeMounts");
    let mut there = names("/spec/template/spec/volumes");
    mounted.sort();
    there.sort();
    assert_eq!(mounted, there);
}

#[test]
fn the_manual_s_links_lead_somewhere() {
    for page in ["restore.md", "dumps.md", "guide.md"] {
        let text = read(&format!("docs/{page}"));
        for link in text.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page } else { file };
            assert!(link.starts_with("http") || home().join("docs").join(target).exists(), "{page}: {link}");
            let is_page = Path::new(target).extension().is_some_and(|ext| ext == "md");
            if !anchor.is_empty() && is_page {
                let fold = |line: &str| {
                    let kept = line.to_lowercase().replace(' ', "-");
                    kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect::<String>()
                };
                let text = read(&format!("docs/{target}"));
                let heads = text.lines().filter(|line| line.starts_with('#'));
                let found = heads.map(|line| fold(line.trim_start_matches('#').trim())).any(|head| head == anchor);
                assert!(found, "{page}: {link}");
            }
        }
    }
}
