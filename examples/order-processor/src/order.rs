//! An order, and the statuses that it goes through.

use serde::{Deserialize, Serialize};
use workflow::prelude::*;

use crate::object;

/// Where an order is.
#[derive(Status, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// It has arrived.
    Received = 1,
    /// It makes sense.
    Validated = 2,
    /// The customer's money is there.
    Paid = 3,
    /// The goods are packed and wait for the courier.
    Reserved = 4,
    /// The courier has them.
    Collected = 5,
    /// The customer has them.
    Fulfilled = 6,
    /// It did not make sense.
    Rejected = 7,
    /// The customer's money was not there.
    Declined = 8,
    /// The goods were not there; the money went back.
    OutOfStock = 9,
    /// No courier came; the money went back.
    Undelivered = 10,
}

/// An order as it comes in, and what has happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The order's own id.
    pub id: String,
    /// Who ordered.
    pub customer: String,
    /// What.
    #[serde(deserialize_with = "object::many")]
    pub items: Vec<Item>,
    /// How it is paid.
    #[serde(deserialize_with = "object::one")]
    pub payment: Payment,
    /// How the goods travel.
    #[serde(default)]
    pub courier: Courier,
    /// What the customer pays, once it is validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_cents: Option<u64>,
    /// What happened, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The article.
    pub sku: String,
    /// How many.
    pub quantity: u32,
    /// What one costs.
    pub unit_cents: u64,
}

/// How an order is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method", deny_unknown_fields)]
pub enum Payment {
    /// By card.
    Card {
        /// Its last four digits; those that end in 0 are declined.
        last_four: String,
    },
    /// By invoice, up to a limit.
    #[serde(deserialize_with = "object::empty")]
    Invoice,
    /// With a voucher; the customer may have second thoughts.
    Voucher {
        /// Its code.
        code: String,
    },
}

/// How the courier of this shop behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Courier {
    /// Comes when it is called.
    #[default]
    Prompt,
    /// Does not come.
    Lost,
}

impl Order {
    /// What is wrong with an order as it comes in, if anything is.
    pub fn fault(&self) -> Option<String> {
        if self.items.is_empty() {
            return Some("it has no items".to_owned());
        }
        let none = self.items.iter().find(|item| item.quantity == 0);
        none.map(|item| format!("it asks for none of {}", item.sku))
    }

    /// What the items cost together; `None` if that is more than can be counted.
    pub fn sum_cents(&self) -> Option<u64> {
        self.items.iter().try_fold(0_u64, |sum, item| {
            sum.checked_add(item.unit_cents.checked_mul(u64::from(item.quantity))?)
        })
    }
}
