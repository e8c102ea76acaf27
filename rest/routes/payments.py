"""Payments: buying, what was bought, a trainer's account at Stripe, and what Stripe tells."""

from __future__ import annotations

from domain.wire import payments as wire
from handlers.payments import accounts, earnings, events, purchases, refunds
from rest.limits import PURCHASES, WEBHOOKS
from rest.route import Route
from rest.stripe_webhook import webhook_handler

ROWS = (
    Route(
        "POST",
        "/purchases",
        purchases.buy,
        "Buy sessions from a trainer",
        command=wire.Buy,
        answer=wire.PurchaseAnswer,
        status=201,
        needs_key=True,
        rate=PURCHASES,
    ),
    Route(
        "GET",
        "/purchases/{id}",
        purchases.get_purchase,
        "A purchase, as Stripe says now",
        command=wire.GetPurchase,
        answer=wire.TransactionAnswer,
        path_names={"id": "purchaseId"},
    ),
    Route(
        "GET",
        "/credits",
        purchases.list_credits,
        "What is left of the sessions bought, by trainer or by client",
        command=wire.ListCredits,
        answer=wire.CreditPage,
    ),
    Route(
        "GET",
        "/transactions",
        purchases.list_transactions,
        "One's own payments, the newest first",
        command=wire.ListTransactions,
        answer=wire.TransactionPage,
    ),
    Route(
        "GET",
        "/me/earnings",
        earnings.list_earnings,
        "A trainer's earnings by month and status, and the payments behind them; as a table for `Accept: text/csv`",
        command=wire.ListEarnings,
        answer=wire.EarningPage,
        table=earnings.write_earnings,
        bulky=True,
    ),
    Route(
        "GET",
        "/admin/transactions",
        purchases.list_all_transactions,
        "All payments, the newest first",
        command=wire.ListAllTransactions,
        answer=wire.TransactionPage,
    ),
    Route(
        "POST",
        "/me/stripe/onboarding",
        accounts.begin_onboarding,
        "A page at Stripe on which a trainer completes the account that is paid to",
        answer=wire.OnboardingAnswer,
        rate=PURCHASES,
    ),
    Route("GET", "/me/stripe", accounts.get_stripe, "What Stripe says of my account", answer=wire.StripeState),
    Route(
        "POST",
        "/me/stripe/dashboard",
        accounts.open_dashboard,
        "A sign-in link to my payouts at Stripe",
        answer=wire.DashboardAnswer,
        rate=PURCHASES,
    ),
    Route(
        "POST",
        "/admin/transactions/{id}/refund",
        refunds.refund_transaction,
        "Refund unused credits",
        command=wire.RefundTransaction,
        answer=wire.TransactionAnswer,
        needs_key=True,
    ),
    Route(
        "POST",
        "/webhooks/stripe",
        events.receive,
        "What Stripe tells; signed by it",
        answer=wire.Received,
        public=True,
        adapter=webhook_handler,
        rate=WEBHOOKS,
    ),
)
