"""A trainer's certificates."""

from __future__ import annotations

from domain.catalogue import Certificate
from domain.errors import Code, DomainError, not_found
from domain.wire.catalogue import CertificateAnswer, CertificatePage
from domain.wire.codec import changes_of
from domain.wire.pages import IdCursor, decode_id_cursor, page_of
from domain.wire.profiles import AddCertificate, DeleteCertificate, ListCertificates, UpdateCertificate
from handlers.access import Actor, require_role
from handlers.catalogue.trainers import certificate_answer
from handlers.context import ReadContext
from handlers.idempotency import KeepResult, idempotent, idempotent_commit


async def list_certificates(context: ReadContext, actor: Actor, command: ListCertificates) -> CertificatePage:
    """In the order in which they were added."""
    require_role(actor, "trainer")
    found = await context.store.certificates.of(actor.profile_id, decode_id_cursor(command.cursor), command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: IdCursor(one.id))
    return CertificatePage(
        items=[certificate_answer(context, one, private=True) for one in page], next_cursor=cursor
    )


@idempotent_commit("certificate:add")
async def add_certificate(
    context: ReadContext, actor: Actor, command: AddCertificate, keep: KeepResult
) -> CertificateAnswer:
    """Raises ``conflict`` when there are as many as there may be."""
    require_role(actor, "trainer")
    now = context.now()
    certificate = Certificate(
        id=context.store.certificates.new_id(),
        trainer_id=actor.profile_id,
        name=command.certificate_name,
        document=command.certificate_document,
        about=command.about_you,
        created_at=now,
        updated_at=now,
    )
    answer = certificate_answer(context, certificate, private=True)
    if not await context.store.certificates.add(certificate, actor.user_id, keep(answer)):
        raise DomainError(Code.CONFLICT, "There are as many certificates as there may be.")
    return answer


@idempotent("certificate:update")
async def update_certificate(context: ReadContext, actor: Actor, command: UpdateCertificate) -> CertificateAnswer:
    """Raises ``not_found`` for another's."""
    require_role(actor, "trainer")
    now = context.now()
    changed = await context.store.certificates.update(
        actor.profile_id, actor.user_id, command.id, changes_of(command, "id"), now
    )
    if changed is None:
        raise not_found("certificate")
    return certificate_answer(context, changed, private=True)


@idempotent_commit("certificate:delete")
async def delete_certificate(context: ReadContext, actor: Actor, command: DeleteCertificate, keep: KeepResult) -> None:
    """Raises ``not_found`` for another's."""
    require_role(actor, "trainer")
    now = context.now()
    if not await context.store.certificates.delete(actor.profile_id, actor.user_id, command.id, now, keep(None)):
        raise not_found("certificate")
