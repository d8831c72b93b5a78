use super::*;
use crate::curve::Curves;
use crate::data::Facts;
use crate::findings::{ClassFindings, LabelFindings, NumberFindings};

/// The page of a report whose rows have classes of these names, each taken for the next now and then.
fn of_classes(names: &[&str], rows: usize) -> String {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let classes = names.len();
    let mut found = ClassFindings::new(names, "rows");
    for row in 0..rows {
        let truth = row % classes;
        let predicted = if row % 5 == 0 {
            (truth + 1) % classes
        } else {
            truth
        };
        let mut probabilities = vec![0.4 / classes as f32; classes];
        probabilities[predicted] += 0.6;
        found.add(&probabilities, predicted, truth);
    }
    made(Findings::Classes(found))
}

fn made(findings: Findings) -> String {
    let mut curves = Curves::default();
    curves.add(1, [("train_loss", 0.5)]);
    let report = Report {
        title: "Training report".into(),
        subtitle: "SequenceClassification on \"tiny\" & co".into(),
        trains: true,
        scored: Some(Scored {
            rows: "12 test rows".into(),
            stage: "test".into(),
            scores: vec![
                ("test_loss".into(), 0.25),
                ("test_f1".into(), f64::NAN),
                ("test_f1_0".into(), 1.0),
                ("test_pearson".into(), 0.5),
                ("test_pearson_0".into(), 0.5),
            ],
            findings: Some(findings),
        }),
        curves,
        facts: vec![Facts::new("Timing").with("training", "4.2 s")],
        config: "model:\n  class_path: \"</pre><script>\"\n".into(),
    };
    let plots = Plots::of(&report);
    page(&report, &plots).unwrap()
}

#[test]
fn names_of_any_kind_leave_the_page_whole() {
    let long = "x".repeat(5000);
    let names = [
        "<script>alert(1)</script>",
        "\"quoted\" 'name'",
        "two\nlines",
        "",
        "שלום \u{202e}world",
        "漢字",
        &long,
    ];
    let page = of_classes(&names, 70);
    assert!(!page.contains("<script") && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("<bdi>(empty)</bdi>") && page.contains("<bdi>two lines</bdi>"));
    for tag in [
        "section", "figure", "table", "tr", "th", "td", "bdi", "div", "svg", "text", "title", "dl",
    ] {
        let open =
            page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn a_page_needs_nothing_beside_it() {
    let page = of_classes(&["a", "b", "c"], 30);
    for word in [
        "http:", "https:", "src=", "@import", "url(", "<script", "<link",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("<dd>0.2500</dd>") && page.contains("<dd>–</dd>"));
    assert!(page.contains("4.2 s") && page.contains("&lt;/pre&gt;&lt;script&gt;"));
    assert_eq!(page.matches("<h1").count(), 1);
}

#[test]
fn identifiers_are_given_once() {
    let page = of_classes(&["a", "b", "c"], 30);
    let mut ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    for (at, _) in page.match_indices("aria-labelledby=\"") {
        let names = page[at + 17..].split('"').next().unwrap();
        assert!(
            names
                .split(' ')
                .all(|name| ids.binary_search(&name).is_ok()),
            "{names}"
        );
    }
}

#[test]
fn a_hundred_classes_are_a_compact_table_and_the_largest_confusions() {
    let names: Vec<String> = (0..100).map(|class| format!("class {class}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let page = of_classes(&names, 1000);
    assert!(page.contains("<table class=\"compact\">") && page.contains("The largest confusions"));
    assert!(!page.contains("The matrix as a table"));
    assert!(page.len() < 2_000_000, "{}", page.len());
}

#[test]
fn beyond_five_hundred_classes_the_most_frequent_are_shown() {
    let names: Vec<String> = (0..3000).map(|class| format!("class {class}")).collect();
    let mut found = ClassFindings::new(names, "rows");
    let probabilities = vec![0.0; 3000];
    (0..2000).for_each(|row| found.add(&probabilities, 2999, row));
    (0..9).for_each(|_| found.add(&probabilities, 2999, 2999));
    let page = made(Findings::Classes(found));
    assert!(
        page.contains("those 500 with most rows are shown")
            && page.contains("<bdi>class 2999</bdi>")
    );
    assert!(!page.contains(">ROC</text>"));
}

#[test]
fn labels_and_numbers_have_tables_of_their_own() {
    let mut labels = LabelFindings::new(vec!["kinase".into(), "membrane".into()]);
    labels.add(&[0.9, 0.2], &[true, true]);
    labels.add(&[0.4, 0.7], &[false, false]);
    let page = made(Findings::Labels(labels));
    assert!(page.contains(">Labels</h2>") && page.contains("Predicted</bdi></th>"));
    let mut numbers = NumberFindings::new(vec!["kd".into(), "tm".into()]);
    numbers.add(&[1.0, 2.0], &[1.5, 2.5]);
    let page = made(Findings::Numbers(numbers));
    assert!(page.contains(">Outputs</h2>") && page.contains("Predicted against true: kd"));
}

#[test]
fn without_rows_the_page_says_so() {
    let page = made(Findings::Classes(ClassFindings::new(
        vec!["a".into(), "b".into()],
        "rows",
    )));
    assert!(page.contains("No row was scored"));
    assert!(!page.contains("Confusion"));
}

#[test]
fn names_too_alike_to_cut_are_numbers_that_the_tables_explain() {
    let name = |class| format!("Glycosyltransferase, family {class} (EC 2.4.1.-), inverting");
    let names: Vec<String> = (0..4).map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let page = of_classes(&names, 40);
    assert!(page.contains("<span class=\"number\">3</span> <bdi>Glyco"));
    assert!(page.contains("<th scope=\"col\"><bdi>3</bdi></th>"));
    assert!(!of_classes(&["a", "b"], 20).contains("class=\"number\""));
}

#[test]
fn a_small_page_reads_as_it_did() {
    insta::assert_snapshot!(without_plots(&of_classes(&["no", "yes"], 20)));
}

#[test]
fn a_small_page_of_numbers_reads_as_it_did() {
    let mut numbers = NumberFindings::new(vec!["kd".into(), "tm".into()]);
    numbers.add(&[1.0, 2.0], &[1.5, 2.5]);
    numbers.add(&[2.0, 3.0], &[2.5, 1.5]);
    insta::assert_snapshot!(without_plots(&made(Findings::Numbers(numbers))));
}

/// A page without its style and what is in its plots, which have tests of their own.
fn without_plots(page: &str) -> String {
    let mut rest = page;
    let mut kept = String::new();
    for (open, close) in [("<style>", "</style>")]
        .into_iter()
        .chain(std::iter::repeat(("<svg", "</svg>")))
    {
        let Some((before, after)) = rest.split_once(open) else {
            break;
        };
        kept.push_str(before);
        kept.push_str(&format!("{open}…{close}"));
        rest = after.split_once(close).unwrap().1;
    }
    kept + rest
}

#[test]
fn the_answer_comes_first() {
    let page = of_classes(&["a", "b", "c"], 30);
    let titles = page.split("<h2 ").skip(1);
    let titles: Vec<&str> = titles
        .map(|rest| rest.split(['>', '<']).nth(1).unwrap())
        .collect();
    assert_eq!(
        titles,
        [
            "Scores",
            "Classes",
            "Curves",
            "Probabilities",
            "Run",
            "Configuration"
        ]
    );
    let at = |word: &str| page.find(word).unwrap();
    assert!(
        at("Confusion matrix") < at("The largest confusions")
            && at("The largest confusions") < at(">Precision</bdi>")
    );
}

#[test]
fn what_several_plots_say_is_said_once() {
    let names = ["kd", "tm", "ph"].map(str::to_owned).to_vec();
    let mut numbers = NumberFindings::new(names);
    numbers.add(&[1.0, 2.0, 3.0], &[1.5, 2.5, 3.5]);
    numbers.add(&[2.0, 2.0, 2.0], &[1.5, 2.5, 4.5]);
    let page = made(Findings::Numbers(numbers));
    assert_eq!(
        page.matches("on the dashed line the prediction is right")
            .count(),
        1
    );
    let page = of_classes(&["a", "b", "c"], 30);
    assert_eq!(page.matches("Macro: the mean over each class").count(), 1);
}

#[test]
fn nothing_in_the_style_is_wider_than_a_phone() {
    let style = include_str!("../../templates/style.css");
    // Apart from `@media (min-width: ...)` and limits (`max-width`).
    for (at, rule) in style.match_indices("width:") {
        let before = &style[..at];
        if before.ends_with("max-") || before.ends_with("(min-") {
            continue;
        }
        let value = style[at + rule.len()..]
            .split([';', '}'])
            .next()
            .unwrap()
            .trim();
        let length = |unit: &str| {
            value
                .strip_suffix(unit)
                .map(|text| text.parse::<f64>().unwrap())
        };
        let pixels = length("rem")
            .map(|rem| 16.0 * rem)
            .or(length("px"))
            .unwrap_or(0.0);
        assert!(pixels < 390.0 / 2.0, "{value}");
    }
    // Plots are as wide as the page lets them be.
    assert!(style.contains(".plot svg { display: block; width: 100%;"));
    let page = of_classes(&["a", "b", "c"], 30);
    assert!(!page.contains("<svg xmlns") && !page.contains("<svg style"));
}
