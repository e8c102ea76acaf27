"""Accounts, sessions, and the account itself."""

from __future__ import annotations

from domain.wire import accounts as wire
from handlers.accounts import exports, passwords, sessions
from handlers.accounts.me import erase_me, get_me, update_me
from handlers.accounts.registration import register, resend_code, verify
from handlers.accounts.sign_in import login, refresh
from rest import limits
from rest.route import Route

ROWS = (
    Route(
        "POST",
        "/auth/register",
        register,
        "Register; a code is mailed",
        command=wire.Register,
        answer=wire.Registered,
        status=202,
        public=True,
        rate=limits.REGISTER,
    ),
    Route(
        "POST",
        "/auth/verify",
        verify,
        "Verify the address with the code and the registration's token, and sign in",
        command=wire.Verify,
        answer=wire.Tokens,
        public=True,
        rate=limits.VERIFY,
    ),
    Route(
        "POST",
        "/auth/resend-code",
        resend_code,
        "Ask for a new code of the registration",
        command=wire.ResendCode,
        answer=wire.Accepted,
        status=202,
        public=True,
        rate=limits.RESEND,
    ),
    Route(
        "POST",
        "/auth/login",
        login,
        "Sign in",
        command=wire.Login,
        answer=wire.Tokens,
        public=True,
        rate=limits.LOGIN,
    ),
    Route(
        "POST",
        "/auth/refresh",
        refresh,
        "Trade the refresh token for new tokens",
        command=wire.Refresh,
        answer=wire.Tokens,
        public=True,
        rate=limits.REFRESH,
    ),
    Route("POST", "/auth/logout", sessions.logout, "Sign this device out"),
    Route("POST", "/auth/logout-all", sessions.logout_all, "Sign every device out"),
    Route(
        "POST",
        "/auth/forgot-password",
        passwords.forgot_password,
        "Ask for a code to reset the password",
        command=wire.ForgotPassword,
        answer=wire.Accepted,
        status=202,
        public=True,
        rate=limits.FORGOT,
    ),
    Route(
        "POST",
        "/auth/verify-reset-code",
        passwords.verify_reset_code,
        "Trade the code for a reset token",
        command=wire.VerifyResetCode,
        answer=wire.ResetToken,
        public=True,
        rate=limits.RESET,
    ),
    Route(
        "POST",
        "/auth/reset-password",
        passwords.reset_password,
        "Set a new password; every device is signed out",
        command=wire.ResetPassword,
        public=True,
        rate=limits.RESET_TOKEN,
    ),
    Route(
        "POST",
        "/auth/change-password",
        passwords.change_password,
        "Change the password; every earlier session ends",
        command=wire.ChangePassword,
        answer=wire.Tokens,
        rate=limits.PASSWORD_CHECK,
    ),
    Route(
        "GET",
        "/auth/sessions",
        sessions.list_sessions,
        "The devices signed in",
        command=wire.ListSessions,
        answer=wire.DevicePage,
    ),
    Route("DELETE", "/auth/sessions/{id}", sessions.end_session, "Sign another device out", command=wire.EndSession),
   Route("GET", "/me", get_me, "Who I am", answer=wire.Me),
    Route("PATCH", "/me", update_me, "Pause, or come back", command=wire.UpdateMe, answer=wire.Me),
    Route(
        "POST",
        "/me/export",
        exports.request_export,
        "Ask for an archive of everything about oneself; told by mail when it is ready",
        answer=wire.ExportAnswer,
        status=202,
        rate=limits.EXPORT,
    ),
    Route("GET", "/me/export", exports.get_export, "The archive that was asked for", answer=wire.ExportAnswer),
    # The same guesses at the same password: one limit.
    Route(
        "POST", "/me/erase", erase_me, "Erase the account", command=wire.EraseMe, rate=limits.PASSWORD_CHECK
    ),
)
