"""Replies in many languages, said in our own words: what counts is what they say, with and without accents."""

from __future__ import annotations

import pytest

from validator.feedback.classify import Classifier
from validator.feedback.reply import without_accents

NOBODY = "mailbox_not_found"
SAID = {
    NOBODY: """
        there is no such user on this machine
        the address you wrote to is a non-existent account
        einen solchen Empfänger: Empfänger ist unbekannt
        diese Adresse existiert nicht bei uns
        на нашем сервере такого пользователя не существует
        spiacenti, non esiste l'utente indicato
        sorry, there is no one by that name
        указанный адрес не найден
        пользователь anna не найден
        скринька не існує
        ce destinataire n'existe pas
        votre correspondant: utilisateur introuvable
        el usuario anna no existe aquí
        no se encontró el destinatario indicado
        o endereço <anna@x.example> não existe
        aqui: usuário não encontrado
        l'indirizzo anna@x.example non trovato
        spiacenti, destinatario inesistente
        そのようなユーザは存在しません
        お探しのアドレスが見つかりません
        对不起，收件人不存在
        抱歉,该邮箱不存在
        존재하지 않는 메일 주소
        przykro nam, użytkownik nie istnieje
        helaas, ontvanger onbekend
        tyvärr, mottagaren finns inte
        üzgünüz, alıcı bulunamadı
        bohužel uživatel neexistuje
        valitettavasti käyttäjää ei löydy
        sajnos a felhasználó nem található
        ne pare rău, utilizatorul nu există
        δυστυχώς ο χρήστης δεν υπάρχει
        המשתמש לא קיים
        عذرا المستخدم غير موجود
        ขออภัยไม่พบผู้ใช้
        потребителят не съществува
        ľutujeme, adresát neznámy
        nažalost korisnik ne postoji
    """,
    "mailbox_full": """
        приносимо вибачення, скринька переповнена
        there is insufficient space in mailbox
        niestety skrzynka pocztowa jest przepełniona
        the recipient has exhausted the storage quota
        das Postfach von Anna ist leider voll
        у получателя переполнен почтовый ящик
        превышена квота ящика
        la boîte de Anna est pleine
        son quota dépassé
        el buzón de Anna está lleno
        a caixa de correio cheia
        la casella di Anna è piena
        お客様のメールボックスがいっぱいのため
        对方邮箱已满
        상대방 메일함이 가득 찼음
        skrzynka Anny jest pełna
        postvak vol
        schránka Anny je plná
        inkorgen är full
        posta kutusu dolu
        поштову скриньку переповнено
        收件人邮箱空间已满
        sajnos a postafiók megtelt
        το γραμματοκιβώτιο είναι πλήρες
        صندوق البريد ممتلئ
    """,
    "mailbox_disabled": """
        anna is no longer employed here
        dieses Konto ist gesperrt
        этот ящик заблокирован
        учётная запись отключена
        le compte est désactivé
        la cuenta está deshabilitada
        esta conta bloqueada
        casella disattivata
        このアカウントは無効です
        该账号已停用
        konto zostało zablokowane
    """,
    "message_too_large": """
        die Nachricht ist zu groß
        сообщение слишком большое
        ваше письмо слишком большое
        message trop volumineux
        el mensaje es demasiado grande
        mensagem muito grande
        messaggio troppo grande
        サイズが大きすぎます
        邮件太大
    """,
    "content_spam": """
        als Spam eingestuft
        niestety wykryto spam
        письмо похоже на спам
        rejeté comme spam
        rechazado por spam
        rejeitada como spam
        bloccato come spam
        迷惑メールとみなしました
        疑似垃圾邮件
    """,
    "domain_not_found": """
        домен не существует
        domaine introuvable
        el dominio no existe
        domínio inexistente
        ドメインが存在しません
    """,
    "sender_ip_blocked": """
        ваш ip-адрес у нас заблокирован
        Ihre IP-Adresse ist gesperrt
        o seu IP está bloqueado
        您的IP被拒绝
        votre adresse ip est bloquée
        su servidor está en lista negra
    """,
    "rate_limited": """
        слишком много сообщений
        zu viele Verbindungen
        demasiadas conexiones
        troppe connessioni
    """,
}


@pytest.mark.parametrize("reason", sorted(SAID))
def test_a_reply_means_the_same_in_every_language(classifier: Classifier, reason: str) -> None:
    wrong = []
    for words in filter(None, map(str.strip, SAID[reason].splitlines())):
        for text in {words, without_accents(words), words.upper()}:
            found = classifier.classify_text(f"550 5.1.1 {text}" if reason == NOBODY else f"550 {text}")
            if found.reason != reason:
                wrong.append((text, found.reason, found.rule))
    assert not wrong


def test_a_phrase_begins_where_a_word_does_wherever_there_are_words(classifier: Classifier) -> None:
    assert classifier.classify_text("550 nospamhere").reason == "unknown"
    assert classifier.classify_text("550 该收件人邮箱已满请稍后").reason == "mailbox_full"


def test_an_account_that_is_switched_off_is_the_senders_when_the_sender_was_asked(classifier: Classifier) -> None:
    assert classifier.classify_text("535 5.7.8 account has been disabled").disposition == "sender"
    assert classifier.classify_text("550 account suspended (in reply to MAIL FROM command)").disposition == "sender"
    assert classifier.classify_text("550 account suspended (in reply to RCPT TO command)").disposition == "hard"


def test_only_an_answer_of_the_name_service_says_that_a_domain_is_not_there(classifier: Classifier) -> None:
    words = "Host or domain name not found. Name service error for name=x.example type=MX: Host not found"
    assert classifier.classify_text(words).reason == "domain_not_found"
    assert classifier.classify_text(words + ", try again").reason == "connection_failed"
