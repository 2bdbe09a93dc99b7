// The pages that a browser sees: sign-in and error. Plain forms; the one script only fills the form with a test account.

const WORDS = {
  en: {
    title: 'Sign in',
    notice: 'Local development stand-in for Amazon Cognito. Nothing here is a real account.',
    username: 'E-mail',
    password: 'Password',
    submit: 'Sign in',
    cancel: 'Cancel',
    accounts: 'Test accounts (click to fill in)',
    wrongPassword: 'Incorrect username or password.',
    disabled: 'User is disabled.',
  },
  ko: {
    title: '로그인',
    notice: '개발용 로컬 Amazon Cognito 대역입니다. 실제 계정이 아닙니다.',
    username: '이메일',
    password: '비밀번호',
    submit: '로그인',
    cancel: '취소',
    accounts: '테스트 계정 (클릭하면 입력됩니다)',
    wrongPassword: '사용자 이름 또는 비밀번호가 올바르지 않습니다.',
    disabled: '사용이 중지된 계정입니다.',
  },
};

export function loginPage({ action, xsrf, username, accounts, language, problem }) {
  const words = WORDS[language];
  const choices = accounts.map((account) => `
      <button type="button" class="account" data-username="${escape(account.email)}" data-password="${escape(account.password)}">
        <b>${escape(account.name ?? account.username)}</b> ${escape(account.email)} / ${escape(account.password)}
        <small>${escape((account.groups ?? []).join(', '))}</small>
      </button>`).join('');
  return page(words.title, language, `
    <p class="notice">${words.notice}</p>
    <h1>${words.title}</h1>
    ${problem ? `<p class="problem" role="alert">${words[problem]}</p>` : ''}
    <form method="post" action="${escape(action)}" name="login">
      <input type="hidden" name="_csrf" value="${escape(xsrf)}">
      <label>${words.username}<input name="username" value="${escape(username)}" autocomplete="username" required autofocus></label>
      <label>${words.password}<input name="password" type="password" autocomplete="current-password" required></label>
      <button type="submit" class="main" name="signInSubmitButton" value="Sign in">${words.submit}</button>
      <button type="submit" name="cancel" value="1" formnovalidate>${words.cancel}</button>
    </form>
    <h2>${words.accounts}</h2>
    <div>${choices}
    </div>
    <script>
      for (const choice of document.querySelectorAll('.account')) choice.onclick = () => {
        document.forms.login.username.value = choice.dataset.username;
        document.forms.login.password.value = choice.dataset.password;
      };
    </script>`);
}

/** The code comes from the address bar, so it is shown escaped and shortened, as text. */
export function errorPage(code) {
  return page('Error', 'en', `
    <p class="notice">${WORDS.en.notice}</p>
    <h1>An error was encountered with the requested page.</h1>
    <p class="problem">${escape(String(code).slice(0, 200))}</p>`);
}

export function page(title, language, body) {
  return `<!doctype html>
<html lang="${language}">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
  <title>${escape(title)} (local Cognito)</title>
  <link rel="icon" href="data:,">
  <style>
    :root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a404c); --accent: #0b6bcb; }
    body { font: 16px/1.5 system-ui, sans-serif; margin: 0; display: grid; place-items: start center; background: light-dark(#eef1f5, #14171c); }
    main { box-sizing: border-box; width: min(26rem, 100% - 2rem); margin: 2rem 0; padding: 1.5rem 2rem 2rem; border-radius: 12px; background: light-dark(#fff, #1e222a); box-shadow: 0 1px 6px #0003; }
    main.wide { width: min(70rem, 100% - 2rem); }
    h1 { font-size: 1.4rem; } h2 { font-size: .9rem; margin: 2rem 0 .5rem; }
    .notice { font-size: .8rem; margin: -.5rem -1rem 1rem; padding: .5rem 1rem; border-radius: 8px; background: light-dark(#fff4d6, #4a3b12); }
    .problem { color: light-dark(#b00020, #ff8a95); }
    label { display: block; margin: .75rem 0; } input, textarea, select { box-sizing: border-box; display: block; width: 100%; font: inherit; padding: .5rem; border: 1px solid var(--line); border-radius: 6px; }
    button { font: inherit; width: 100%; margin-top: .5rem; padding: .55rem; border: 1px solid var(--line); border-radius: 6px; background: none; cursor: pointer; }
    button.main { background: var(--accent); border-color: var(--accent); color: #fff; }
    button.account { text-align: left; font-size: .85rem; } small { opacity: .7; }
    table { border-collapse: collapse; font-size: .85rem; } td, th { text-align: left; vertical-align: top; padding: .25rem .5rem; border-top: 1px solid var(--line); } td input { padding: .15rem .4rem; font-family: monospace; }
  </style>
</head>
<body><main${title === 'Control' ? ' class="wide"' : ''}>${body}
</main></body>
</html>
`;
}

export function escape(text) {
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(text).replace(/[&<>"']/g, (character) => entities[character]);
}
