"""Phrases of refusal and talk in many languages: what must be found, and first sentences that must not."""

from __future__ import annotations

import pytest

from motherlode.seeds.phrases import BEGINNING, phrases

REFUSALS = {
    "en": [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I can’t assist with this request.",
        "As an AI language model, I have no patients of my own.",
        "As a large language model I do not have opinions.",
        "I cannot fulfill this request.",
        "I won't create content that could be harmful.",
        "I am unable to provide the requested material.",
        "This goes against my guidelines.",
        "I'm an AI assistant created to be helpful, and this is not for me.",
    ],
    "de": [
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
        "Ich kann Ihnen dabei leider nicht weiterhelfen.",
        "Als KI-Sprachmodell habe ich keine Patienten.",
        "Diese Anfrage kann ich leider nicht erfüllen.",
        "Ich kann diese Inhalte nicht erstellen.",
        "Leider kann ich keine solchen Inhalte verfassen.",
    ],
    "fr": [
        "Je suis désolé, mais je ne peux pas vous aider avec cela.",
        "Je ne peux pas répondre à cette demande.",
        "En tant qu’intelligence artificielle, je n’ai pas d’avis.",
        "En tant que modèle de langage, je ne soigne personne.",
        "Je ne peux malheureusement pas créer ce type de contenu.",
    ],
    "es": [
        "Lo siento, pero no puedo ayudarte con eso.",
        "Como modelo de lenguaje de gran tamaño, no puedo opinar.",
        "No puedo cumplir con esta solicitud.",
        "Lo siento, no puedo generar ese tipo de contenido.",
    ],
    "pt": [
        "Desculpe, mas não posso ajudar com isso.",
        "Como modelo de linguagem, não posso opinar.",
        "Não posso atender a essa solicitação.",
        "Não consigo criar esse tipo de conteúdo.",
    ],
    "it": [
        "Mi dispiace, ma non posso aiutarti con questa richiesta.",
        "In quanto intelligenza artificiale, non ho opinioni.",
        "Non posso soddisfare questa richiesta.",
        "Non posso generare questo tipo di contenuto.",
    ],
    "nl": [
        "Het spijt me, maar ik kan je daar niet mee helpen.",
        "Als AI-taalmodel kan ik geen mening geven.",
        "Ik kan niet voldoen aan dit verzoek.",
        "Ik kan helaas geen schadelijke inhoud maken.",
    ],
    "pl": [
        "Przykro mi, ale nie mogę w tym pomóc.",
        "Jako model językowy nie mam własnych opinii.",
        "Nie mogę spełnić tej prośby.",
        "Nie jestem w stanie wygenerować takich treści.",
    ],
    "ru": [
        "Извините, но я не могу помочь с этим.",
        "Как языковая модель, я не имею собственного мнения.",
        "Я не могу выполнить этот запрос.",
        "К сожалению, я не могу создавать такой контент.",
    ],
    "zh": [
        "抱歉,我无法满足您的请求。",
        "作为一个人工智能语言模型，我没有个人经历。",
        "很抱歉，我不能提供此类内容。",
        "对不起，我无法协助完成这个任务。",
    ],
    "ja": [
        "申し訳ありませんが、そのリクエストにはお応えできません。",
        "申し訳ございませんが、その内容の文書を作成することはできません。",
        "AI言語モデルとして、私には個人的な意見はありません。",
        "ご依頼にお応えすることができません。",
    ],
    "ko": [
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
        "AI 언어 모델로서 저는 개인적인 의견이 없습니다.",
        "죄송합니다만, 그런 내용은 작성할 수 없습니다.",
    ],
    "ar": [
        "عذراً، لا أستطيع مساعدتك في هذا الطلب.",
        "بصفتي نموذجًا لغويًا، ليس لدي آراء شخصية.",
        "آسف، لا يمكنني إنشاء هذا المحتوى.",
    ],
    "hi": [
        "क्षमा करें, मैं इस अनुरोध में मदद नहीं कर सकता।",
        "एक एआई भाषा मॉडल के रूप में, मेरे पास कोई राय नहीं है।",
        "माफ़ कीजिए, मैं ऐसी सामग्री नहीं लिख सकता।",
    ],
}
TALK = {
    "en": [
        "Sure, here is the memo you asked for.",
        "Certainly! Here's a press release:\n\nToday",
        "Here is a legal brief written by a tired clerk:\n",
        "**Of course!** Here are the tweets.",
        "I've written a short report based on your instructions.",
    ],
    "de": ["Gerne! Hier ist der Bericht.", "Hier ist ein Vertrag, wie gewünscht:\n"],
    "fr": ["Bien sûr ! Voici le rapport.", "Voici un courriel rédigé par une infirmière :\n"],
    "es": ["¡Claro! Aquí tienes el informe.", "Aquí está un contrato breve:\n"],
    "pt": ["Claro! Aqui está o relatório.", "Aqui está um memorando:\n"],
    "it": ["Certo! Ecco il rapporto.", "Ecco un contratto di lavoro:\n"],
    "nl": ["Natuurlijk! Hier is het rapport.", "Hier volgt een persbericht:\n"],
    "pl": ["Oczywiście! Oto raport.", "Oto przykładowy dokument:\n"],
    "ru": ["Конечно! Вот отчёт.", "Вот пример договора:\n"],
    "zh": ["好的，以下是一份报告。", "当然！这是您要的文档。", "以下是一篇新闻报道：\n"],
    "ja": ["はい、以下が報告書です。", "承知しました。以下に作成しました。", "以下はご依頼の文書です：\n"],
    "ko": ["물론입니다! 다음은 보고서입니다.", "네, 아래는 이메일입니다."],
    "ar": ["بالتأكيد! إليك التقرير.", "إليك مذكرة قصيرة:\n"],
    "hi": ["ज़रूर! यहाँ रिपोर्ट है।", "यहाँ एक ज्ञापन है:\n"],
}
HONEST = [
    "I'm sorry, but I can't come to the hearing on Thursday; my daughter is ill.",
    "I cannot help but admire how the nurses kept the ward going through the night.",
    "I am afraid that the results of the second trial are not in yet.",
    "I cannot write this letter without thinking of the winter we spent in Turku.",
    "I cannot provide a date for the repair until the part has arrived from Osaka.",
    "As an AI startup, we know what it means to run out of money.",
    "I am an AI engineer at a hospital, and these are my notes of the first week.",
    "Here is what we know about the fire at the substation so far.",
    "Here's the thing: nobody reads the policy until the claim is refused.",
    "Here is the city where my grandfather opened his shop.",
    "Sure-footed goats crossed the ridge before dawn.",
    "Great, another audit. Here we go again.",
    "Okay so I told him the invoice was wrong.",
    "The share of missing values was small [data not shown], and see [3] for the method.",
    "Es tut mir leid, aber ich kann am Donnerstag nicht zur Verhandlung kommen.",
    "Als Hausarzt kann ich sagen, dass die Zahlen seit dem Frühjahr steigen.",
    "Ich kann nicht erkennen, warum der Vertrag gekündigt wurde.",
    "Hier ist die Lage ruhig, schreibt der Bürgermeister am Montag.",
    "Natürlich hat niemand gefragt, wer die Rechnung bezahlt.",
    "Je suis désolé, mais je ne peux pas assister à la réunion de jeudi.",
    "En tant qu'assistant juridique, je prépare les dossiers du tribunal.",
    "Voici trois ans que la clinique attend son scanner.",
    "Lo siento, pero no puedo ir a la reunión del jueves.",
    "Como médico de familia, no puedo recomendar este tratamiento a todos.",
    "Aquí está el puerto donde descargan los barcos de la mañana.",
    "Desculpe, mas não posso ir à reunião de quinta-feira.",
    "Claro que ninguém perguntou quem pagava a conta.",
    "Mi dispiace, ma non posso venire alla riunione di giovedì.",
    "In quanto medico di famiglia, non posso tacere.",
    "Het spijt me, maar ik kan donderdag niet naar de vergadering komen.",
    "Als huisarts kan ik zeggen dat de cijfers stijgen.",
    "Przykro mi, ale nie mogę przyjść na czwartkowe spotkanie.",
    "Jako lekarz rodzinny nie mogę polecić tego leku każdemu.",
    "Извините, но я не могу прийти на встречу в четверг.",
    "Как врач, я не могу рекомендовать это лекарство всем.",
    "Вот уже три года больница ждёт новый прибор.",
    "对不起，我不能参加周四的会议。",
    "作为一名医生，我每天都要写很多报告。",
    "以下是本季度的主要数据。",
    "人工智能正在改变医院的工作方式。",
    "申し訳ございませんが、木曜日の会議には出席できません。",
    "医師として、私は毎日多くの報告書を書いています。",
    "はい、と彼女は小さな声で答えた。",
    "죄송하지만 목요일 회의에는 참석할 수 없습니다.",
    "의사로서 저는 매일 보고서를 씁니다.",
    "آسف، لا أستطيع حضور اجتماع يوم الخميس.",
    "بصفتي طبيبًا، أكتب تقارير كثيرة كل يوم.",
    "क्षमा करें, मैं गुरुवार की बैठक में नहीं आ सकता।",
    "एक डॉक्टर के रूप में, मैं हर दिन कई रिपोर्ट लिखता हूँ।",
]


def listed(by_language: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(language, text) for language, texts in by_language.items() for text in texts]


@pytest.mark.parametrize(("language", "text"), listed(REFUSALS))
def test_refusals_are_found_in_every_language(language: str, text: str) -> None:
    assert phrases().refuses(text), language
    assert phrases().refuses(text.replace(" ", "\u00a0")), language


@pytest.mark.parametrize(("language", "text"), listed(TALK))
def test_talk_is_found_in_every_language(language: str, text: str) -> None:
    assert phrases().talks(text), language
    assert phrases().talks(f"\n **{text}"), language


@pytest.mark.parametrize("text", HONEST)
def test_honest_beginnings_are_let_pass(text: str) -> None:
    assert not phrases().refuses(text)
    assert not phrases().talks(text)
    assert not phrases().has_gaps(text)


def test_a_refusal_further_on_is_somebody_s_speech() -> None:
    story = "She looked at the screen for a long time. " * 6
    assert len(story) > BEGINNING
    assert not phrases().refuses(f'{story}"{REFUSALS["en"][0]}"')
    assert not phrases().talks(f"{story}{TALK['en'][0]}")


GAPS = (
    "[Your Name]|[insert date]|[Ihr Name]|[Nom de l'entreprise]|[Su nombre]|[您的姓名]|【姓名】|[お名前]|[이름]|[имя]|"
    "[Twoje imię]|[Uw naam]|<your company>|{company_name}|Lorem ipsum dolor"
)


@pytest.mark.parametrize("gap", GAPS.split("|"))
def test_gaps_are_found(gap: str) -> None:
    assert phrases().has_gaps(f"Yours, {gap}.")


@pytest.mark.parametrize("text", ["[1]", "[sic]", "[...]", "[names of two of them are known]", "(your name)", "{ }"])
def test_brackets_are_no_gaps(text: str) -> None:
    assert not phrases().has_gaps(f"As it stands {text} in the report.")


def test_every_language_has_examples() -> None:
    assert REFUSALS.keys() == TALK.keys()
    assert len(REFUSALS) == 14
