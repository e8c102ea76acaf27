"""Stripe's API as the handlers need it: the version pinned, each call bounded, errors in our terms.

Answers are read into our own records; nothing of the library leaves this module. Calls that make something carry a
key that follows from a persisted intent, so that asking again makes nothing twice (Stripe keeps keys for 24 hours).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp

from domain.disputes import DisputeAtStripe
from domain.payments import Account, Incoming, Intent, Link, ListedIntent, StripeRefused, Transaction
from domain.refunds import Refund, RefundAtStripe
from domain.trainer_parts import Move, TrainerPart
from server.payments.stripe_answers import (
    DISPUTES,
    incoming,
    intent_of,
    listed_intent,
    metadata_of,
    own_id,
    with_metadata,
)
from server.payments.stripe_calls import CALL_SECONDS, StripeCalls
from server.settings import Settings

if TYPE_CHECKING:
    from stripe import AIOHTTPClient, StripeClient

API_VERSION = "2026-05-27.dahlia"
_CONNECT_SECONDS = 2.0
_CONNECTIONS = 32
_SIGNATURE_SECONDS = 300
_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """``api_base``: where something stands in for Stripe, which its clients are told."""

    secret_key: str = field(repr=False)
    publishable_key: str
    webhook_secrets: tuple[str, ...] = field(repr=False)
    api_base: str | None
    currency: str
    fee_percent: Decimal


def stripe_settings(settings: Settings) -> StripeSettings:
    """In development, without a key, those of the sandbox."""
    sandbox = settings.stripe_secret_key is None
    api_base = settings.stripe_api_base
    if sandbox and not settings.production:
        api_base = api_base or f"http://127.0.0.1:{settings.sandbox_port}"
    return StripeSettings(
        secret_key=settings.stripe_secret_key or "sk_test_sandbox",
        publishable_key=settings.stripe_publishable_key or "pk_test_sandbox",
        webhook_secrets=settings.stripe_webhook_secrets or (("whsec_sandbox",) if sandbox else ()),
        api_base=api_base,
        currency=settings.currency,
        fee_percent=settings.platform_fee_percent,
    )


class StripePayments:
    """Make it inside the running loop; ``close`` it at the end.

    Stripe's library takes a fourteenth of a node's start, so it is imported when it is first needed; with
    ``ready`` at once, so that nobody's payment waits for it.
    """

    def __init__(self, settings: StripeSettings, *, ready: bool = False) -> None:
        if ready:
            import stripe  # noqa: F401
        self._settings = settings
        self._http: AIOHTTPClient | None = None
        # Ours, where something stands in for Stripe.
        self._session: aiohttp.ClientSession | None = None
        self._made: StripeClient | None = None
        self.calls = StripeCalls()

    @property
    def publishable_key(self) -> str:
        return self._settings.publishable_key

    @property
    def api_base(self) -> str | None:
        return self._settings.api_base

    @property
    def currency(self) -> str:
        return self._settings.currency

    @property
    def fee_percent(self) -> Decimal:
        return self._settings.fee_percent

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close_async()  # type: ignore[no-untyped-call]
        if self._session is not None:
            await self._session.close()

    @property
    def _client(self) -> Any:
        """Made when first needed: its certificates take a while to read."""
        if self._made is None:
            from stripe import AIOHTTPClient, StripeClient

            timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=_CONNECT_SECONDS)
            if self.api_base is not None:
                self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_CONNECTIONS))
            self._http = AIOHTTPClient(timeout=timeout, session=self._session)
            self._made = StripeClient(
                self._settings.secret_key,
                stripe_version=API_VERSION,
                base_addresses={"api": self.api_base} if self.api_base else {},
                max_network_retries=0,
                http_client=self._http,
            )
        return self._made.v1

    # --- trainers' accounts ---

    async def create_account(self, trainer_id: str, email: str) -> str:
        params = {
            "type": "express",
            "email": email,
            "capabilities": {"card_payments": {"requested": True}, "transfers": {"requested": True}},
            "metadata": {"trainer": trainer_id},
        }
        made = await self.calls.make("account", trainer_id, lambda key: self._client.accounts.create_async(params, key))
        return str(made.id)

    async def account(self, account_id: str) -> Account:
        found = await self.calls.call(self._client.accounts.retrieve_async(account_id))
        return Account(
            id=found.id,
            submitted=bool(found.details_submitted),
            charges_enabled=bool(found.charges_enabled),
            payouts_enabled=bool(found.payouts_enabled),
        )

    async def onboarding(self, account_id: str, return_url: str) -> Link:
        made = await self.calls.call(
            self._client.account_links.create_async(
                {
                    "account": account_id,
                    "type": "account_onboarding",
                    "refresh_url": return_url,
                    "return_url": return_url,
                }
            )
        )
        return Link(url=made.url, expires_at=datetime.fromtimestamp(made.expires_at, UTC))

    async def dashboard(self, account_id: str) -> str:
        made = await self.calls.call(self._client.accounts.login_links.create_async(account_id))
        return str(made.url)

    # --- clients and what they pay ---

    async def create_customer(self, client_id: str, email: str) -> str:
        params = {"email": email, "metadata": {"client": client_id}}
        create = self._client.customers.create_async
        return str((await self.calls.make("customer", client_id, lambda key: create(params, key))).id)

    async def customer_session(self, customer_id: str) -> str:
        """Its client secret, with which a payment sheet offers saved cards."""
        features = {
            "payment_method_save": "enabled",
            "payment_method_redisplay": "enabled",
            "payment_method_remove": "enabled",
        }
        sheet = {"mobile_payment_element": {"enabled": True, "features": features}}
        made = await self.calls.call(
            self._client.customer_sessions.create_async({"customer": customer_id, "components": sheet})
        )
        return str(made.client_secret)

    async def create_intent(self, transaction: Transaction, customer_id: str) -> Intent:
        """The same one, however often it is asked. The receipt is ours to mail: Stripe is not told an address."""
        fee = {"application_fee_amount": transaction.fee} if transaction.fee else {}
        params = {
            **fee,
            "amount": transaction.amount,
            "currency": transaction.currency,
            "customer": customer_id,
            "transfer_data": {"destination": transaction.destination},
            "automatic_payment_methods": {"enabled": True},
            "metadata": {"purchase": transaction.id},
        }

        async def made() -> Any:
            of_customer = {"customer": customer_id, "limit": 100}
            listed = await self.calls.call(self._client.payment_intents.list_async(of_customer))
            return with_metadata(listed.data, "purchase", transaction.id)

        return intent_of(
            await self.calls.make(
                "purchase", transaction.id, lambda key: self._client.payment_intents.create_async(params, key), made
            )
        )

    async def intent(self, intent_id: str) -> Intent:
        return intent_of(await self.calls.call(self._client.payment_intents.retrieve_async(intent_id)))

    async def intents_since(self, since: datetime) -> AsyncIterator[Sequence[ListedIntent]]:
        """All that were made since then, page by page, the newest first."""
        params: dict[str, Any] = {
            "created": {"gte": int(since.timestamp())}, "limit": _A_PAGE, "expand": ["data.latest_charge"]
        }  # fmt: skip
        while True:
            page = await self.calls.call(self._client.payment_intents.list_async(params))
            yield [listed_intent(one) for one in page.data]
            if not page.has_more or not page.data:
                return
            params = {**params, "starting_after": page.data[-1].id}

    async def delete_customer(self, customer_id: str) -> None:
        """With the cards that it saved; also one that is gone."""
        with suppress(StripeRefused):
            await self.calls.call(self._client.customers.delete_async(customer_id))

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Raises ``StripeRefused`` where it has been paid or is being paid."""
        return intent_of(await self.calls.call(self._client.payment_intents.cancel_async(intent_id)))

    # --- refunds ---

    async def create_refund(self, transaction: Transaction, refund: Refund) -> str:
        """Its id at Stripe; the same one, however often it is asked. The transfer and the fee go back in proportion."""
        share = {"reverse_transfer": True, **_with_fee(transaction)} if refund.reverses else {}
        params = {
            **share,
            "payment_intent": transaction.intent_id,
            "amount": refund.amount,
            "metadata": {"refund": refund.id},
        }

        async def made() -> Any:
            of_intent = {"payment_intent": transaction.intent_id, "limit": 100}
            listed = await self.calls.call(self._client.refunds.list_async(of_intent))
            return with_metadata(listed.data, "refund", refund.id)

        create = self._client.refunds.create_async
        return str((await self.calls.make("refund", refund.id, lambda key: create(params, key), made)).id)

    async def refunds(self, intent_id: str) -> Sequence[RefundAtStripe]:
        """The oldest first; of the hundred newest."""
        listed = await self.calls.call(self._client.refunds.list_async({"payment_intent": intent_id, "limit": 100}))
        return [
            RefundAtStripe(
                id=one.id,
                amount=one.amount,
                failed=one.status in ("failed", "canceled"),
                refund_id=own_id(metadata_of(one).get("refund")),
            )
            for one in reversed(listed.data)
        ]

    # --- disputes ---

    async def disputes(self, intent_id: str) -> Sequence[DisputeAtStripe]:
        """Those for which the bank has taken money, the oldest first; inquiries take none."""
        listed = await self.calls.call(self._client.disputes.list_async({"payment_intent": intent_id, "limit": 100}))
        return [
            DisputeAtStripe(id=one.id, amount=one.amount, status=DISPUTES[one.status])
            for one in reversed(listed.data)
            if one.status in DISPUTES
        ]

    # --- the trainer's part ---

    async def parts(self, transaction: Transaction) -> Sequence[TrainerPart]:
        """What the trainer has of it: of the hundred newest transfers that were made anew, and of the payment's own."""
        expanded = {"expand": ["latest_charge.transfer", "latest_charge.application_fee"]}
        found = await self.calls.call(self._client.payment_intents.retrieve_async(transaction.intent_id, expanded))
        charge = found.latest_charge
        if charge is None or charge.transfer is None:
            return []
        of_group = {"transfer_group": _group(transaction), "limit": 100}
        anew = await self.calls.call(self._client.transfers.list_async(of_group))
        parts = [TrainerPart(transfer_id=one.id, left=one.amount - one.amount_reversed) for one in anew.data]
        own, fee = charge.transfer, charge.application_fee
        kept = 0 if fee is None else fee.amount - fee.amount_refunded
        return [*parts, TrainerPart(transfer_id=own.id, left=own.amount - own.amount_reversed - kept)]

    async def move(self, transaction: Transaction, move: Move) -> None:
        """Made once. Of a reversal the platform keeps all: what its fee is less, the trainer's part is more."""
        metadata = {"purchase": transaction.id, "move": str(move.number)}
        if move.transfer_id is None:
            params = {
                "amount": move.amount,
                "currency": transaction.currency,
                "destination": transaction.destination,
                "transfer_group": _group(transaction),
                "metadata": metadata,
            }

            async def listed() -> Any:
                return await self._client.transfers.list_async({"transfer_group": _group(transaction), "limit": 100})

            async def create(key: dict[str, Any]) -> Any:
                return await self._client.transfers.create_async(params, key)

        else:
            params = {"amount": -move.amount, "metadata": metadata}

            async def listed() -> Any:
                return await self._client.transfers.reversals.list_async(move.transfer_id, {"limit": 100})

            async def create(key: dict[str, Any]) -> Any:
                return await self._client.transfers.reversals.create_async(move.transfer_id, params, key)

        async def made() -> Any:
            return with_metadata((await self.calls.call(listed())).data, "move", str(move.number))

        if await made() is None:
            await self.calls.make("part", f"{transaction.id}:{move.number}", create, made)

    # --- events ---

    def verified(self, payload: bytes, signature: str) -> Incoming | None:
        """What one of the secrets signed within the last five minutes."""
        import stripe

        for secret in self._settings.webhook_secrets:
            try:
                stripe.WebhookSignature.verify_header(payload, signature, secret, _SIGNATURE_SECONDS)
                return incoming(json.loads(payload))
            except (stripe.SignatureVerificationError, ValueError, TypeError, KeyError, AttributeError):
                continue
        return None

    async def events_since(self, since: datetime) -> Sequence[Incoming]:
        """All of the platform's, the newest first."""
        found: list[Incoming] = []
        params: dict[str, Any] = {"created": {"gte": int(since.timestamp())}, "limit": _A_PAGE}
        while True:
            page = await self.calls.call(self._client.events.list_async(params))
            found += [incoming(one.to_dict()) for one in page.data]
            if not page.has_more or not page.data:
                return found
            params = {**params, "starting_after": page.data[-1].id}


def _with_fee(transaction: Transaction) -> dict[str, Any]:
    """Stripe refuses to give back a fee that there was not."""
    return {"refund_application_fee": True} if transaction.fee else {}


def _group(transaction: Transaction) -> str:
    """Of the transfers that are made anew; that of the payment's own is Stripe's."""
    return f"spotter:purchase:{transaction.id}"
