"""One's profile, and what a trainer sells."""

from __future__ import annotations

from domain.wire import catalogue as answers
from domain.wire import profiles as commands
from domain.wire.profiles import OwnProfile
from handlers.profiles import certificates, offers, profile
from rest.route import Route

ROWS = (
    Route("GET", "/me/profile", profile.get_profile, "My profile", answer=OwnProfile),
    Route(
        "PATCH",
        "/me/profile",
        profile.update_profile,
        "Change fields of my profile; null clears one",
        command=commands.UpdateProfile,
        answer=OwnProfile,
    ),
    Route(
        "PUT",
        "/me/specializations",
        offers.set_specializations,
        "What I offer, in place of what I offered before",
        command=commands.SetSpecializations,
        answer=answers.SpecializationList,
    ),
    Route("GET", "/me/pricing", offers.get_own_pricing, "What I sell", answer=answers.PricingAnswer),
    Route(
        "PUT",
        "/me/pricing",
        offers.set_pricing,
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
