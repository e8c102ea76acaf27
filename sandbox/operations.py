"""Which function answers which of Stripe's operations, and whose key may ask for it."""

from __future__ import annotations

from collections.abc import Callable

from sandbox import (
    accounts,
    balances,
    charges,
    confirmations,
    customers,
    disputes,
    events,
    payments,
    refunds,
    transfers,
)
from sandbox.state import Object
from sandbox.world import Call, Key

Answer = Callable[[Call], Object]

OPERATIONS: dict[tuple[str, str], Answer] = {
    ("get", "/v1/account"): accounts.own,
    ("get", "/v1/accounts"): accounts.every,
    ("post", "/v1/accounts"): accounts.create,
    ("get", "/v1/accounts/{account}"): accounts.retrieve,
    ("post", "/v1/accounts/{account}"): accounts.update,
    ("delete", "/v1/accounts/{account}"): accounts.delete,
    ("post", "/v1/accounts/{account}/login_links"): accounts.login_link,
    ("post", "/v1/account_links"): accounts.link,
    ("get", "/v1/customers"): customers.every,
    ("post", "/v1/customers"): customers.create,
    ("get", "/v1/customers/{customer}"): customers.retrieve,
    ("post", "/v1/customers/{customer}"): customers.update,
    ("delete", "/v1/customers/{customer}"): customers.delete,
    ("get", "/v1/customers/{customer}/payment_methods"): customers.methods,
    ("post", "/v1/customer_sessions"): customers.session,
    ("post", "/v1/ephemeral_keys"): customers.ephemeral_key,
    ("get", "/v1/payment_methods"): customers.methods,
    ("post", "/v1/payment_methods"): customers.create_method,
    ("get", "/v1/payment_methods/{payment_method}"): customers.method,
    ("post", "/v1/payment_methods/{payment_method}/attach"): customers.attach,
    ("post", "/v1/payment_methods/{payment_method}/detach"): customers.detach,
    ("get", "/v1/payment_intents"): payments.every,
    ("post", "/v1/payment_intents"): payments.create,
    ("get", "/v1/payment_intents/search"): payments.search,
    ("get", "/v1/payment_intents/{intent}"): payments.retrieve,
    ("post", "/v1/payment_intents/{intent}"): payments.update,
    ("post", "/v1/payment_intents/{intent}/confirm"): confirmations.confirm,
    ("post", "/v1/payment_intents/{intent}/cancel"): payments.cancel,
    ("get", "/v1/charges"): charges.every,
    ("get", "/v1/charges/{charge}"): charges.retrieve,
    ("post", "/v1/charges/{charge}"): charges.update,
    ("get", "/v1/transfers"): transfers.every,
    ("post", "/v1/transfers"): transfers.create,
    ("get", "/v1/transfers/{transfer}"): transfers.retrieve,
    ("get", "/v1/transfers/{id}/reversals"): transfers.reversals,
    ("post", "/v1/transfers/{id}/reversals"): transfers.create_reversal,
    ("get", "/v1/transfers/{transfer}/reversals/{id}"): transfers.reversal,
    ("get", "/v1/application_fees"): transfers.fees,
    ("get", "/v1/application_fees/{id}"): transfers.fee,
    ("get", "/v1/application_fees/{id}/refunds"): transfers.fee_refunds,
    ("post", "/v1/application_fees/{id}/refunds"): transfers.create_fee_refund,
    ("get", "/v1/refunds"): refunds.every,
    ("post", "/v1/refunds"): refunds.create,
    ("get", "/v1/refunds/{refund}"): refunds.retrieve,
    ("post", "/v1/refunds/{refund}"): refunds.update,
    ("get", "/v1/disputes"): disputes.every,
    ("get", "/v1/disputes/{dispute}"): disputes.retrieve,
    ("post", "/v1/disputes/{dispute}"): disputes.update,
    ("post", "/v1/disputes/{dispute}/close"): disputes.close,
    ("get", "/v1/balance"): balances.balance,
    ("get", "/v1/balance_transactions"): balances.transactions,
    ("get", "/v1/balance_transactions/{id}"): balances.transaction,
    ("get", "/v1/events"): events.every,
    ("get", "/v1/events/{id}"): events.retrieve,
}

# What a phone does with the publishable key, and with the key of its customer's.
_ALLOWED: dict[Key, frozenset[tuple[str, str]]] = {
    "publishable": frozenset(
        {
            ("post", "/v1/payment_methods"),
            ("get", "/v1/payment_intents/{intent}"),
            ("post", "/v1/payment_intents/{intent}/confirm"),
        }
    ),
    "ephemeral": frozenset(
        {
            ("get", "/v1/payment_methods"),
            ("get", "/v1/customers/{customer}/payment_methods"),
            ("post", "/v1/payment_methods/{payment_method}/detach"),
        }
    ),
}


def may(key: Key, operation: tuple[str, str]) -> bool:
    return key == "secret" or operation in _ALLOWED[key]
