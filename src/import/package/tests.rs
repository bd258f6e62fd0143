use super::*;

#[test]
fn a_package_of_more_rows_than_it_may_have_is_refused_and_so_is_one_whose_rows_hang_on_very_much() {
    let told = |most_rows: usize, text: &str| {
        let fault = Package::new(most_rows).read_table("attributes.csv", text.as_bytes()).err();
        fault.map(|fault| fault.to_string())
    };
    assert_eq!(told(2, "id,link_id\n1,A\n2,A\n"), None);
    assert_eq!(told(2, "id,link_id\n1,A\n2,A\n3,A\n").unwrap(), "it has more than 2 rows");
    let many = "id,link_id,service_id,location_id\n1,A,B,C\n2,A,B,C\n";
    assert_eq!((told(3, many), told(2, many).unwrap()), (None, "its rows hang on more than 4 records".to_owned()));
}

#[test]
fn rows_that_cannot_be_read_come_first_with_the_reason_and_no_more_at_once_than_are_asked_for() {
    let mut package = Package::new(MOST_ROWS);
    package.read_table("services.csv", "id,name\nA,Lunch\nB,Tea,x\nC,Choir,x\n".as_bytes()).unwrap();
    let records = package.next_records(1);
    assert_eq!((records.len(), records[0].position), (1, 3));
    assert_eq!(records[0].value, Err("services.csv: 3 cells where the header names 2".into()));
    assert_eq!(package.next_records(10).iter().map(|raw| raw.position).collect::<Vec<_>>(), [4, 2]);
}

#[test]
fn a_row_that_cannot_be_read_says_what_it_is() {
    let mut package = Package::new(MOST_ROWS);
    for file in ["services.csv", "organizations.csv", "taxonomy_terms.csv", "phones.csv", "pets.csv"] {
        package.read_table(file, "id\nA,B\n".as_bytes()).unwrap();
    }
    let of: Vec<Of> = package.next_records(10).iter().map(|raw| raw.of).collect();
    assert_eq!(of, [Of::Service, Of::Organization, Of::Row(SourceRowKind::TaxonomyTerm), Of::Part, Of::Part]);
}
