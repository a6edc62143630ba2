/** Questions that wait for an answer: `if (await confirm({...}))`. The shell renders `Questions` once. */

import { useState } from "preact/hooks";
import type { CurlCall } from "../core/curl.ts";
import { createStore, useStore } from "../core/store.ts";
import { t } from "../core/text.ts";
import { Button } from "./button.tsx";
import { CopyCurl } from "./copy.tsx";
import { Dialog } from "./dialog.tsx";
import { TextInput } from "./fields.tsx";

export interface Question {
  title: string;
  text: string;
  /** The label of the button that agrees. */
  action: string;
  danger?: boolean;
  /** What must be typed to agree, such as the name of a project. */
  typed?: string;
  /** The operation that the button calls. */
  curl?: CurlCall;
}

const open = createStore<{ question: Question; answer: (agreed: boolean) => void } | null>(null);

/** Ask, and return whether the reader agreed. */
export function confirm(question: Question): Promise<boolean> {
  open.get()?.answer(false);
  return new Promise((resolve) => {
    open.set({
      question,
      answer(agreed) {
        open.set(null);
        resolve(agreed);
      },
    });
  });
}

/** The question that is open. */
export function Questions() {
  const asked = useStore(open);
  return asked && <QuestionDialog key={asked.question.title} {...asked} />;
}

function QuestionDialog({ question, answer }: { question: Question; answer: (agreed: boolean) => void }) {
  const [typed, setTyped] = useState("");
  const allowed = question.typed === undefined || typed === question.typed;
  return (
    <Dialog
      title={question.title}
      onClose={() => answer(false)}
      footer={
        <>
          {question.curl && <CopyCurl call={question.curl} />}
          <Button onClick={() => answer(false)}>{t("Cancel")}</Button>
          <Button kind={question.danger ? "danger" : "primary"} disabled={!allowed} onClick={() => answer(true)}>
            {question.action}
          </Button>
        </>
      }
    >
      <p>{question.text}</p>
      {question.typed !== undefined && (
        <TextInput label={t("Type “{text}” to go on", { text: question.typed })} value={typed} onValue={setTyped} autofocus />
      )}
    </Dialog>
  );
}
