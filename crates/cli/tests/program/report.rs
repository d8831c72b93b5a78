//! The report at the end of `fit` and `test`.

use std::collections::BTreeSet;

use crate::Workplace;

/// The scores that a run printed: names and values.
fn printed(out: &str) -> Vec<(&str, &str)> {
    let lines = out.lines();
    lines
        .filter_map(|line| line.split_once("  "))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect()
}

/// The page at a place, which must stand by itself, with its plots beside it whole.
fn page(place: &Workplace, folder: &str) -> String {
    let page = place.read(&format!("{folder}/report.html"));
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    for word in [
        "http:", "https:", " src=", "@import", "url(", "<script", "<link",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    let mut stems = BTreeSet::new();
    for entry in std::fs::read_dir(place.path(&format!("{folder}/plots"))).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        match path.extension().and_then(|end| end.to_str()) {
            Some("svg") => {
                let text = String::from_utf8(bytes).unwrap();
                assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
                assert!(text.trim_end().ends_with("</svg>"));
            }
            Some("png") => {
                assert!(
                    bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xaeB`\x82")
                );
            }
            _ => panic!("{}", path.display()),
        }
        stems.insert(stem);
    }
    for stem in &stems {
        for end in ["svg", "png"] {
            assert!(
                page.contains(&format!("href=\"plots/{stem}.{end}\"")),
                "{stem}.{end}"
            );
            assert!(
                place
                    .path(&format!("{folder}/plots/{stem}.{end}"))
                    .is_file()
            );
        }
    }
    assert_eq!(page.matches("<svg").count(), stems.len());
    page
}

#[test]
fn a_fit_ends_with_a_report_of_what_it_printed() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .ends_with("report      logs/version_0/report.html\n"),
        "{}",
        said.err
    );
    let page = page(&place, "logs/version_0").replace("<wbr>", "");
    let scores = printed(&said.out);
    assert!(scores.len() > 10);
    for (name, value) in scores {
        let value = value.replace('-', "\u{2212}");
        if !name.ends_with(']') {
            let tile = format!("<dt>{name}</dt><dd>{value}</dd>");
            assert!(page.contains(&tile), "{tile}");
        } else if name.starts_with("test_f1[") || name.starts_with("test_auroc[") {
            assert!(page.contains(&format!(">{value}</td>")), "{name} {value}");
        }
    }
    for word in [
        "<bdi>low</bdi>",
        "<bdi>middle</bdi>",
        "<bdi>high</bdi>",
        "Confusion matrix",
        "ROC",
        "Expected calibration error",
        "Learning rate",
        "class_path: SequenceClassification",
        "burn",
        "train.tsv",
        "rows/s",
        "logs/version_0/checkpoints/",
    ] {
        assert!(page.to_lowercase().contains(&word.to_lowercase()), "{word}");
    }
}

#[test]
fn one_step_is_a_report_with_a_point_in_each_curve() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --trainer.max_steps 1 --trainer.log_every_n_steps 50");
    page(&place, "logs/version_0");
    let curve = place.read("logs/version_0/plots/curve_loss.svg");
    assert!(curve.contains("<circle"), "{curve}");
    assert!(curve.contains("at step 1."), "{curve}");
}

#[test]
fn a_resumed_run_draws_the_steps_before_it_and_says_what_its_times_are_of() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --trainer.max_epochs 1");
    place.succeed("fit -c fit.yaml --ckpt_path last");
    let page = page(&place, "logs/version_0");
    assert!(
        page.contains("the last session alone, from step "),
        "{page}"
    );
    assert!(page.contains("training, single steps: "));
    let (_, described) = page.split_once("Loss over optimizer steps.").unwrap();
    let described = &described[..described.find("</desc>").unwrap()];
    assert!(described.contains("at step 2,"), "{described}");
}

#[test]
fn a_test_leaves_its_report_in_the_run_or_where_it_is_told() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --trainer.enable_report false");
    assert!(!place.path("logs/version_0/report.html").exists());
    let said = place.run("test -c fit.yaml --ckpt_path last");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let line = said.err.lines().last().unwrap().to_owned();
    let folder = line
        .strip_prefix("report  ")
        .and_then(|path| path.strip_suffix("/report.html"))
        .unwrap_or_else(|| panic!("{line}"));
    assert!(folder.starts_with("logs/version_0/test/"), "{folder}");
    let whole = page(&place, folder);
    assert!(whole.contains("Test report") && !whole.contains("Learning rate"));
    for (name, value) in printed(&said.out).into_iter().take(5) {
        assert!(
            whole.contains(&format!("<dt>{name}</dt><dd>{value}</dd>")),
            "{name}"
        );
    }
    place.succeed(
        "test -c fit.yaml --ckpt_path last --output elsewhere --trainer.enable_report false",
    );
    page(&place, "elsewhere");
    place.succeed("test -c fit.yaml");
    page(&place, "logs/test/tiny");
    let refused = place.run("test -c fit.yaml --output train.tsv");
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("--output: train.tsv is a file"),
        "{}",
        refused.err
    );
}

#[test]
fn a_report_that_cannot_be_written_is_a_note_and_the_run_is_kept() {
    let place = Workplace::new();
    // A folder in the place of the page: the run itself writes elsewhere.
    std::fs::create_dir_all(place.path("out/report.html")).unwrap();
    let said = place.run("test -c fit.yaml --output out");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("note: no report was written: "),
        "{}",
        said.err
    );
    assert!(said.out.contains("test_accuracy"));

    place.succeed("fit -c fit.yaml --trainer.max_epochs 1");
    std::fs::remove_file(place.path("logs/version_0/report.html")).unwrap();
    std::fs::create_dir(place.path("logs/version_0/report.html")).unwrap();
    let said = place.run("fit -c fit.yaml --ckpt_path last");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("note: no report was written: ") && said.err.contains("\ncheckpoint  "),
        "{}",
        said.err
    );
}

#[test]
fn without_test_rows_the_validation_rows_are_shown() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --data.test_split_size 0");
    let page = page(&place, "logs/version_0");
    assert!(page.contains("as there are no test rows"), "{page}");
    assert!(page.contains("<dt>val_accuracy</dt>") && page.contains("Confusion matrix"));
}

#[test]
fn a_rehearsal_and_a_run_without_a_folder_have_no_report() {
    let place = Workplace::new();
    for options in [
        "--trainer.fast_dev_run true",
        "--trainer.logger false --trainer.enable_checkpointing false",
    ] {
        let said = place.run(&format!("fit -c fit.yaml {options}"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(!said.err.contains("report "), "{}", said.err);
        assert!(!place.path("logs").exists());
    }
}

#[test]
fn a_hundred_classes_with_names_of_every_kind_are_reported() {
    let place = Workplace::new();
    let name = |class: usize| match class {
        0 => "<script>alert('x')</script>".to_owned(),
        1 => "שלום".to_owned(),
        2 => "&amp; \"quoted\"".replace('"', "'"),
        _ => format!("a family of proteins with a rather long name, number {class:03}"),
    };
    let rows: Vec<String> = (0..1000)
        .map(|row| format!("a w{} b\t{}\n", row % 23, name(row % 100)))
        .collect();
    place.write("many.tsv", &format!("sequences\tlabels\n{}", rows.concat()));
    place.succeed("fit -c fit.yaml --data.path many.tsv --model.use_legacy_adapter false --trainer.max_steps 3 --data.batch_size 50");
    let page = page(&place, "logs/version_0");
    assert!(page.contains("<table class=\"compact\">"));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    assert!(page.contains("number 099</bdi>") && page.contains("שלום"));
}

#[test]
fn regression_and_language_models_have_pages_of_their_own() {
    let place = Workplace::new();
    let rows: Vec<String> = (0..40)
        .map(|row| format!("a w{} w{}\t{}\t{}\n", row % 7, row % 5, row, row % 3))
        .collect();
    place.write("two.tsv", &format!("sequences\tkd\ttm\n{}", rows.concat()));
    let said = place.run("fit --model SequenceRegression --model.num_outputs 2 --model.backbone ./tiny --data SequenceRegressionDataModule --data.path two.tsv --data.y_col [kd,tm] --data.batch_size 8");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let numbers = page(&place, "logs/version_0");
    for word in [
        "Predicted against true: kd",
        "Residuals: tm",
        ">Outputs</h2>",
    ] {
        assert!(numbers.contains(word), "{word}");
    }
    let said = place.run("fit --model MLM --model.backbone ./lm --data MLMDataModule --data.path two.tsv --data.x_col sequences --data.batch_size 8");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let masked = page(&place, "logs/version_1");
    assert!(masked.contains("<dt>test_perplexity</dt>") && masked.contains(">Perplexity</text>"));
    assert!(!masked.contains("Confusion"));
}
