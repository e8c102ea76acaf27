"""Accounts and sessions.

The account itself.
"""

from __future__ import annotations

from domain.wire import accounts as answers
from domain.wire import accounts as commands
from domain.wire.accounts import EraseMe, Me, UpdateMe
from handlers.accounts import passwords, sessions
from handlers.accounts.me import erase_me, get_me, update_me
from handlers.accounts.registration import register, resend_code, verify
from handlers.accounts.sign_in import login, refresh
from rest import route
from rest.route import Route

ROWS = (
    Route(
        "POST",
        "/auth/register",
        register,
        "Register; a code is mailed",
        command=commands.Register,
        answer=answers.Accepted,
        status=202,
        public=True,
        rate=route.REGISTER,
    ),
    Route(
        "POST",
        "/auth/verify",
        verify,
        "Verify the address with the code, and sign in",
        command=commands.Verify,
        answer=answers.Tokens,
        public=True,
        rate=route.VERIFY,
    ),
    Route(
        "POST",
        "/auth/resend-code",
        resend_code,
        "Ask for a new code",
        command=commands.ResendCode,
        answer=answers.Accepted,
        status=202,
        public=True,
        rate=route.RESEND,
    ),
    Route(
        "POST",
        "/auth/login",
        login,
        "Sign in",
        command=commands.Login,
        answer=answers.Tokens,
        public=True,
        rate=route.LOGIN,
    ),
    Route(
        "POST",
        "/auth/refresh",
        refresh,
        "Trade the refresh token for new tokens",
        command=commands.Refresh,
        answer=answers.Tokens,
        public=True,
        rate=route.REFRESH,
    ),
    Route("POST", "/auth/logout", sessions.logout, "Sign this device out"),
    Route("POST", "/auth/logout-all", sessions.logout_all, "Sign every device out"),
    Route(
        "POST",
        "/auth/forgot-password",
        passwords.forgot_password,
        "Ask for a code to reset the password",
        command=commands.ForgotPassword,
        answer=answers.Accepted,
        status=202,
        public=True,
        rate=route.FORGOT,
    ),
    Route(
        "POST",
        "/auth/verify-reset-code",
        passwords.verify_reset_code,
        "Trade the code for a reset token",
        command=commands.VerifyResetCode,
        answer=answers.ResetToken,
        public=True,
        rate=route.RESET,
    ),
    Route(
        "POST",
        "/auth/reset-password",
        passwords.reset_password,
        "Set a new password; every device is signed out",
        command=commands.ResetPassword,
        public=True,
        rate=route.RESET_TOKEN,
    ),
    Route(
        "POST",
        "/auth/change-password",
        passwords.change_password,
        "Change the password; every earlier session ends",
        command=commands.ChangePassword,
        answer=answers.Tokens,
        rate=route.CHANGE_PASSWORD,
    ),
    Route(
        "GET",
        "/auth/sessions",
        sessions.list_sessions,
        "The devices signed in",
        command=commands.ListSessions,
        answer=answers.DevicePage,
    ),
    Route("DELETE", "/auth/sessions/{id}", sessions.end_session, "Sign another device out", command=commands.EndSession),
)


ME_ROWS = (
    Route("GET", "/me", get_me, "Who I am", answer=Me),
    Route("PATCH", "/me", update_me, "Pause, or come back", command=UpdateMe, answer=Me),
    # The same guesses at the same password: one limit.
    Route("POST", "/me/erase", erase_me, "Erase the account", command=EraseMe, rate=route.CHANGE_PASSWORD),
)
