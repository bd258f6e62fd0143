//! What services cost.

use uuid::Uuid;

use crate::hsds::ids;
use crate::hsds::model::{CostOption, CostOptionExtra};
use crate::services::model::{self, CostKind};

pub(super) fn cost_options(cost: &model::Cost, of: Uuid) -> Vec<CostOption> {
    let id = |number| ids::part(of, "cost_option", number);
    if cost.options.is_empty() && cost.kind == Some(CostKind::Free) {
        let kith = Some(CostOptionExtra { is_implied: Some(true), ..CostOptionExtra::default() });
        return vec![CostOption { id: id(0), currency: Some("CAD".into()), amount: Some(0.0), kith, ..CostOption::default() }];
    }
    let row = |(number, option): (usize, &model::CostOption)| CostOption {
        id: id(number),
        option: option.option.clone(),
        currency: Some(option.amount.currency.clone()),
        amount: Some(option.amount.amount()),
        amount_description: option.per.map(|per| format!("per {per}")),
        kith: option.per.map(|per| CostOptionExtra { per: Some(per), ..CostOptionExtra::default() }),
        ..CostOption::default()
    };
    cost.options.iter().enumerate().map(row).collect()
}
