"""One's profile, and what a trainer sells."""

from __future__ import annotations

from domain import catalogue_answers as answers
from domain.commands import profiles as commands
from domain.profile_answers import OwnProfile
from handlers.profiles import certificates, own, selling
from rest.route import Route

ROWS = (
    Route("GET", "/me/profile", own.get_profile, "My profile", answer=OwnProfile),
    Route(
        "PATCH",
        "/me/profile",
        own.update_profile,
        "Change fields of my profile; null clears one",
        command=commands.UpdateProfile,
        answer=OwnProfile,
    ),
    Route(
        "PUT",
        "/me/specializations",
        selling.set_specializations,
        "What I offer, in place of what I offered before",
        command=commands.SetSpecializations,
        answer=answers.SpecializationList,
    ),
    Route(
        "PUT",
        "/me/pricing",
        selling.set_pricing,
        "What I sell, and on which terms",
        command=commands.SetPricing,
        answer=answers.PricingAnswer,
    ),
    Route(
        "GET",
        "/me/certificates",
        certificates.list_certificates,
        "My certificates",
        command=commands.ListCertificates,
        answer=answers.CertificatePage,
    ),
    Route(
        "POST",
        "/me/certificates",
        certificates.add_certificate,
        "Add a certificate",
        command=commands.AddCertificate,
        answer=answers.CertificateAnswer,
        status=201,
    ),
    Route(
        "PATCH",
        "/me/certificates/{id}",
        certificates.update_certificate,
        "Change a certificate; null clears a field",
        command=commands.UpdateCertificate,
        answer=answers.CertificateAnswer,
    ),
    Route(
        "DELETE",
        "/me/certificates/{id}",
        certificates.delete_certificate,
        "Remove a certificate",
        command=commands.DeleteCertificate,
    ),
)
